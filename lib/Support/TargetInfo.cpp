//===- TargetInfo.cpp - What kernels need to know of a machine ------------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Support/TargetInfo.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "llvm/TargetParser/Host.h"
#include "llvm/TargetParser/Triple.h"

using namespace mlir;
using namespace mlir::ac;

/// LLVM's vectoriser takes gathers for strided reads, such as those of convolutions with stride two. They are slower
/// than single loads on AMD's processors, and on Intel's since the mitigation of data sampling.
static constexpr const char *kFeatures = "+prefer-no-gather";

static TargetInfo avx512(StringRef cpu) { return {"x86_64-unknown-linux-gnu", cpu.str(), kFeatures, 512, 6, 4, true}; }
static TargetInfo avx2(StringRef cpu) { return {"x86_64-unknown-linux-gnu", cpu.str(), kFeatures, 256, 6, 2, true}; }
static TargetInfo neon(StringRef cpu) { return {"aarch64-unknown-linux-gnu", cpu.str(), "", 128, 6, 4, false}; }

llvm::Expected<TargetInfo> TargetInfo::get(StringRef march) {
  if (march == "x86-64-v4")
    return avx512("x86-64-v4");
  if (march == "x86-64-v3")
    return avx2("x86-64-v3");
  if (march == "aarch64")
    return neon("generic");
  if (march != "native")
    return llvm::createStringError("unknown target '" + march.str() +
                                   "', expected native, x86-64-v3, x86-64-v4 or aarch64");
  llvm::Triple host(llvm::sys::getDefaultTargetTriple());
  StringRef cpu = llvm::sys::getHostCPUName();
  auto features = llvm::sys::getHostCPUFeatures();
  if (host.isAArch64())
    return neon(cpu);
  if (features.lookup("avx512f") && features.lookup("avx512vl") && features.lookup("avx512bw") &&
      features.lookup("avx512dq"))
    return avx512(cpu);
  if (features.lookup("avx2") && features.lookup("fma"))
    return avx2(cpu);
  return llvm::createStringError("this machine has neither AVX2 with FMA nor NEON; name a target with --march");
}

void TargetInfo::attach(ModuleOp module) const {
  Builder b(module.getContext());
  module->setAttr("ac.target",
                  b.getDictionaryAttr({b.getNamedAttr("triple", b.getStringAttr(triple)),
                                       b.getNamedAttr("cpu", b.getStringAttr(cpu)),
                                       b.getNamedAttr("features", b.getStringAttr(features)),
                                       b.getNamedAttr("vector_bits", b.getI64IntegerAttr(vectorBits)),
                                       b.getNamedAttr("tile_rows", b.getI64IntegerAttr(tileRows)),
                                       b.getNamedAttr("tile_vectors", b.getI64IntegerAttr(tileVectors)),
                                       b.getNamedAttr("masks", b.getBoolAttr(hasMasks))}));
}

TargetInfo TargetInfo::of(ModuleOp module) {
  TargetInfo info = avx512("x86-64-v4");
  auto attr = module->getAttrOfType<DictionaryAttr>("ac.target");
  if (!attr)
    return info;
  auto text = [&](StringRef name, std::string &field) {
    if (auto value = attr.getAs<StringAttr>(name))
      field = value.str();
  };
  auto number = [&](StringRef name, unsigned &field) {
    if (auto value = attr.getAs<IntegerAttr>(name))
      field = value.getInt();
  };
  text("triple", info.triple);
  text("cpu", info.cpu);
  text("features", info.features);
  number("vector_bits", info.vectorBits);
  number("tile_rows", info.tileRows);
  number("tile_vectors", info.tileVectors);
  if (auto value = attr.getAs<BoolAttr>("masks"))
    info.hasMasks = value.getValue();
  return info;
}
