//===- TargetInfo.cpp - What kernels need to know of a machine ------------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Support/TargetInfo.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/TargetParser/Host.h"
#include "llvm/TargetParser/Triple.h"
#include "llvm/TargetParser/X86TargetParser.h"

using namespace mlir;
using namespace mlir::ac;

/// LLVM's vectoriser takes gathers for strided reads, such as those of convolutions with stride two. They are slower
/// than single loads on AMD's processors, and on Intel's since the mitigation of data sampling.
static constexpr const char *kFeatures = "+prefer-no-gather";

static TargetInfo avx512(StringRef cpu) { return {"x86_64-unknown-linux-gnu", cpu.str(), kFeatures, 512, 6, 4, true}; }
static TargetInfo avx2(StringRef cpu) { return {"x86_64-unknown-linux-gnu", cpu.str(), kFeatures, 256, 6, 2, true}; }
static TargetInfo neon(StringRef cpu) { return {"aarch64-unknown-linux-gnu", cpu.str(), "", 128, 6, 4, false}; }

/// Instructions for small numbers that machines of one name may or may not have: virtual ones hide them, and then are
/// taken for another processor.
static constexpr const char *kOptional[] = {"avx512vnni", "avxvnni", "avx512bf16", "amx-tile", "amx-int8", "amx-bf16"};

/// An x86-64 processor by LLVM's name and the features it has; none if it has too few.
static std::optional<TargetInfo> makeX86(StringRef cpu, const llvm::StringSet<> &features) {
  auto has = [&](std::initializer_list<StringRef> names) {
    return llvm::all_of(names, [&](StringRef name) { return features.contains(name); });
  };
  if (!has({"avx2", "fma"}))
    return std::nullopt;
  bool isWide = has({"avx512f", "avx512vl", "avx512bw", "avx512dq"});
  TargetInfo info = isWide ? avx512(cpu) : avx2(cpu);
  info.vectorDots = {has({isWide ? "avx512vnni" : "avxvnni"}), isWide && has({"avx512bf16"})};
  info.tileDots = {isWide && has({"amx-tile", "amx-int8"}), isWide && has({"amx-tile", "amx-bf16"})};
  return info;
}

static llvm::StringSet<> featuresOf(StringRef cpu) {
  SmallVector<StringRef> names;
  if (llvm::X86::parseArchX86(cpu, /*Only64Bit=*/true) != llvm::X86::CK_None)
    llvm::X86::getFeaturesForCPU(cpu, names);
  // Some have their instructions by others: AVX-VNNI stands for AVX2 too.
  llvm::StringMap<bool> all;
  for (StringRef name : names) {
    all[name] = true;
    llvm::X86::updateImpliedFeatures(name, /*Enabled=*/true, all);
  }
  llvm::StringSet<> features;
  for (const auto &[name, isThere] : all)
    if (isThere)
      features.insert(name);
  return features;
}

static llvm::Expected<TargetInfo> getNative() {
  llvm::Triple host(llvm::sys::getDefaultTargetTriple());
  StringRef cpu = llvm::sys::getHostCPUName();
  if (host.isAArch64())
    return neon(cpu);
  llvm::StringSet<> features, named = featuresOf(cpu);
  for (const auto &[name, isHere] : llvm::sys::getHostCPUFeatures())
    if (isHere)
      features.insert(name);
  std::optional<TargetInfo> info = makeX86(cpu, features);
  if (!info)
    return llvm::createStringError("this machine has neither AVX2 with FMA nor NEON; name a target with --march");
  for (StringRef name : kOptional)
    if (features.contains(name) != named.contains(name))
      info->features += (features.contains(name) ? ",+" : ",-") + name.str();
  return *info;
}

llvm::Expected<TargetInfo> TargetInfo::get(StringRef march) {
  if (march == "native")
    return getNative();
  if (march == "aarch64")
    return neon("generic");
  if (llvm::X86::parseArchX86(march, /*Only64Bit=*/true) == llvm::X86::CK_None)
    return llvm::createStringError("unknown target '" + march.str() +
                                   "', expected native, x86-64-v3, x86-64-v4, aarch64 or LLVM's name of an x86-64 "
                                   "processor such as icelake-server, sapphirerapids or znver4");
  if (std::optional<TargetInfo> info = makeX86(march, featuresOf(march)))
    return *info;
  return llvm::createStringError("target '" + march.str() + "' lacks AVX2 or FMA, expected a processor that has both");
}

SmallVector<std::string> TargetInfo::listFeatures() const {
  if (!llvm::Triple(triple).isX86())
    return {};
  SmallVector<StringRef> named;
  if (llvm::X86::parseArchX86(cpu) != llvm::X86::CK_None)
    llvm::X86::getFeaturesForCPU(cpu, named);
  SmallVector<std::string> result = llvm::to_vector_of<std::string>(named);
  for (StringRef change : llvm::split(features, ',')) {
    StringRef name = change.drop_front();
    if (!llvm::is_contained(kOptional, name))
      continue;
    llvm::erase(result, name.str());
    if (change.starts_with("+"))
      result.push_back(name.str());
  }
  return result;
}

DotUnit TargetInfo::dotUnit(Type element) const {
  auto pick = [&](const SmallElements &elements) {
    return element.isInteger(8) ? elements.int8 : element.isBF16() && elements.bf16;
  };
  return pick(tileDots) ? DotUnit::Tiles : pick(vectorDots) ? DotUnit::Vectors : DotUnit::None;
}

void TargetInfo::attach(ModuleOp module) const {
  Builder b(module.getContext());
  auto elements = [&](const SmallElements &which) {
    SmallVector<Attribute> types;
    if (which.int8)
      types.push_back(TypeAttr::get(b.getI8Type()));
    if (which.bf16)
      types.push_back(TypeAttr::get(b.getBF16Type()));
    return b.getArrayAttr(types);
  };
  module->setAttr("ac.target", b.getDictionaryAttr({b.getNamedAttr("triple", b.getStringAttr(triple)),
                                                    b.getNamedAttr("cpu", b.getStringAttr(cpu)),
                                                    b.getNamedAttr("features", b.getStringAttr(features)),
                                                    b.getNamedAttr("vector_bits", b.getI64IntegerAttr(vectorBits)),
                                                    b.getNamedAttr("tile_rows", b.getI64IntegerAttr(tileRows)),
                                                    b.getNamedAttr("tile_vectors", b.getI64IntegerAttr(tileVectors)),
                                                    b.getNamedAttr("masks", b.getBoolAttr(hasMasks)),
                                                    b.getNamedAttr("vector_dots", elements(vectorDots)),
                                                    b.getNamedAttr("tile_dots", elements(tileDots))}));
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
  for (auto [name, which] : {std::pair{"vector_dots", &info.vectorDots}, std::pair{"tile_dots", &info.tileDots}})
    if (auto value = attr.getAs<ArrayAttr>(name))
      for (auto type : value.getAsRange<TypeAttr>()) {
        which->int8 |= type.getValue().isInteger(8);
        which->bf16 |= type.getValue().isBF16();
      }
  return info;
}
