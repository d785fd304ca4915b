//===- Description.cpp - What an artefact says of itself ------------------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Codegen/Native.h"
#include "ac/Runtime/ABI.h"
#include "ac/Runtime/Artefact.h"
#include "mlir/IR/DialectResourceBlobManager.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FormatVariadic.h"

using namespace mlir;
using namespace mlir::ac;

static std::string escape(StringRef text) {
  std::string result;
  for (char c : text) {
    if (c == '\t' || c == '\n' || c == '\r' || c == '%' || c == ',')
      result += llvm::formatv("%{0:X-2}", static_cast<uint8_t>(c)).str();
    else
      result += c;
  }
  return result;
}

static void describeTensors(llvm::raw_ostream &os, StringRef kind, ArrayAttr tensors) {
  for (auto [index, attr] : llvm::enumerate(tensors)) {
    auto facts = cast<DictionaryAttr>(attr);
    auto name = facts.getAs<StringAttr>("onnx.name"), type = facts.getAs<StringAttr>("ac.type");
    os << kind << '\t' << escape(name ? name.getValue().str() : kind.str() + "_" + std::to_string(index)) << '\t'
       << (type ? type.getValue() : StringRef("f32")) << '\t';
    auto dims = facts.getAs<ArrayAttr>("onnx.dims");
    if (!dims || dims.empty())
      os << '-';
    else
      llvm::interleave(
          dims, os,
          [&](Attribute dim) {
            if (auto size = dyn_cast<IntegerAttr>(dim); size && size.getInt() >= 0)
              os << size.getInt();
            else if (auto symbol = dyn_cast<StringAttr>(dim); symbol && !symbol.empty())
              os << escape(symbol.getValue());
            else
              os << '?';
          },
          ",");
    os << '\n';
  }
}

/// The shortest text from which the same double is read; `inf` and `-inf` as C writes them.
static std::string exactText(const llvm::APFloat &number) {
  if (number.isInfinity())
    return number.isNegative() ? "-inf" : "inf";
  SmallString<32> text;
  for (unsigned digits : {15, 16, 17}) {
    text.clear();
    number.toString(text, digits);
    if (llvm::APFloat(llvm::APFloat::IEEEdouble(), text).bitwiseIsEqual(number))
      break;
  }
  return text.str().str();
}

static void describeBudgets(llvm::raw_ostream &os, ArrayAttr budgets) {
  for (auto facts : budgets.getAsRange<DictionaryAttr>()) {
    bool isFloat = facts.getAs<TypeAttr>("type").getValue().isF32();
    os << "budget\t" << escape(facts.getAs<StringAttr>("name").getValue()) << '\t' << (isFloat ? "f32" : "i64");
    for (StringRef number : {"initial", "least", "most"})
      os << '\t' << exactText(facts.getAs<FloatAttr>(number).getValue());
    os << '\n';
  }
}

static void describeSites(llvm::raw_ostream &os, ArrayAttr sites) {
  for (auto facts : sites.getAsRange<DictionaryAttr>()) {
    os << "site\t" << escape(facts.getAs<StringAttr>("name").getValue()) << '\t'
       << escape(facts.getAs<StringAttr>("kind").getValue()) << '\t';
    llvm::interleave(
        llvm::zip_equal(facts.getAs<ArrayAttr>("counters").getAsValueRange<StringAttr>(),
                        facts.getAs<DenseI64ArrayAttr>("flops").asArrayRef()),
        os, [&](auto counter) { os << escape(std::get<0>(counter)) << ':' << std::get<1>(counter); }, ",");
    os << '\n';
  }
}

std::string mlir::ac::describeModel(ModuleOp module, const TargetInfo &target, uint64_t weightBytes,
                                    uint64_t weightHash) {
  std::string text;
  llvm::raw_string_ostream os(text);
  os << "accordion\t" << AC_ABI_VERSION << "\t0.1.0\n";
  os << "weights\t" << weightBytes << '\t' << llvm::format_hex_no_prefix(weightHash, 16) << '\n';
  // The runtime refuses to run code on a processor that lacks one of these.
  os << "target\t" << target.triple << '\t' << target.cpu << '\t' << llvm::join(target.listFeatures(), ",") << '\n';
  if (auto inputs = module->getAttrOfType<ArrayAttr>("ac.inputs"))
    describeTensors(os, "input", inputs);
  if (auto outputs = module->getAttrOfType<ArrayAttr>("ac.outputs"))
    describeTensors(os, "output", outputs);
  if (auto budgets = module->getAttrOfType<ArrayAttr>("ac.budgets"))
    describeBudgets(os, budgets);
  if (auto sites = module->getAttrOfType<ArrayAttr>("ac.counters"))
    describeSites(os, sites);
  return text;
}

/// The bytes of a constant in memory order: a splat repeated, a bool in a byte, an index in eight.
static void writeElements(ElementsAttr value, llvm::function_ref<void(const char *, size_t)> write) {
  if (auto resource = dyn_cast<DenseResourceElementsAttr>(value)) {
    ArrayRef<char> data = resource.getRawHandle().getBlob()->getData();
    unsigned bits = resource.getElementType().getIntOrFloatBitWidth();
    if (bits >= 8)
      return write(data.data(), data.size());
    // One element a byte; code that loads it expects the bits above to be zero.
    for (char element : data) {
      char masked = element & ((1 << bits) - 1);
      write(&masked, 1);
    }
    return;
  }
  auto dense = cast<DenseElementsAttr>(value);
  Type element = dense.getElementType();
  unsigned bits = element.isIndex() ? 64 : element.getIntOrFloatBitWidth();
  if (!dense.isSplat() && bits % 8 == 0)
    return write(dense.getRawData().data(), dense.getRawData().size());
  auto emit = [&](const APInt &bitsOf) {
    uint64_t word = bitsOf.getZExtValue();
    write(reinterpret_cast<const char *>(&word), llvm::divideCeil(bits, 8));
  };
  if (isa<FloatType>(element)) {
    for (APFloat number : dense.getValues<APFloat>())
      emit(number.bitcastToAPInt());
  } else {
    for (APInt number : dense.getValues<APInt>())
      emit(number);
  }
}

llvm::Error mlir::ac::writeWeights(ModuleOp module, StringRef path, uint64_t &bytes, uint64_t &hash) {
  std::error_code code;
  llvm::raw_fd_ostream os(path, code);
  if (code)
    return llvm::createStringError(code, "cannot write '" + path.str() + "': " + code.message());
  accordion::ContentHash content;
  bytes = 0;
  auto write = [&](const char *data, size_t size) {
    os.write(data, size);
    content.update(data, size);
    bytes += size;
  };
  auto values = module->getAttrOfType<ArrayAttr>("ac.weights"), offsets = module->getAttrOfType<ArrayAttr>("ac.weight_offsets");
  static const char zeros[64] = {};
  for (size_t i = 0; values && i < values.size(); ++i) {
    uint64_t offset = cast<IntegerAttr>(offsets[i]).getInt();
    write(zeros, offset - bytes);
    writeElements(cast<ElementsAttr>(values[i]), write);
  }
  hash = content.digest();
  os.close();
  if (os.has_error())
    return llvm::createStringError(os.error(), "cannot write '" + path.str() + "': " + os.error().message());
  return llvm::Error::success();
}
