//===- TargetInfo.h - What kernels need to know of a machine -----*- C++ -*-===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef SUPPORT_TARGETINFO_H
#define SUPPORT_TARGETINFO_H

#include "mlir/IR/BuiltinOps.h"
#include "llvm/Support/Error.h"
#include <string>

namespace mlir::ac {

/// What multiplies small numbers and adds several products up at once: nothing, instructions on vectors (AVX-VNNI,
/// AVX512-VNNI, AVX512-BF16), or such on tiles of sixteen rows of 64 bytes (AMX).
enum class DotUnit { None, Vectors, Tiles };

/// Rows of a tile register, and sums in each.
constexpr int64_t kTileRows = 16;

/// A machine to compile for, and the register tile its matrix kernels use.
struct TargetInfo {
  std::string triple;
  std::string cpu;
  std::string features;
  unsigned vectorBits = 512;
  /// Rows and vectors of the register tile: 6 x 4 vectors fill 24 of 32 registers, 6 x 2 fill 12 of 16.
  unsigned tileRows = 6;
  unsigned tileVectors = 4;
  /// Whether loads and stores take masks at no great cost.
  bool hasMasks = true;
  /// Elements that a unit multiplies.
  struct SmallElements {
    bool int8 = false, bf16 = false;
  };
  SmallElements vectorDots = {}, tileDots = {};

  /// `native`, `aarch64`, or LLVM's name of an x86-64 processor with AVX2: `x86-64-v3`, `x86-64-v4`, `sapphirerapids`.
  static llvm::Expected<TargetInfo> get(StringRef march);

  unsigned lanes(Type element) const { return vectorBits / element.getIntOrFloatBitWidth(); }
  /// Whether a vector of indices into sixteen floats can be looked up in one instruction.
  bool hasTables() const { return vectorBits == 512 && llvm::StringRef(triple).starts_with("x86_64"); }
  /// The features of the processor in LLVM's names, none where the triple is not x86's.
  SmallVector<std::string> listFeatures() const;
  /// The best unit for products of elements of this type.
  DotUnit dotUnit(Type element) const;
  /// Whether columns that are computed at run time are brought into groups for it.
  bool groupsColumns(Type element) const { return hasMasks && dotUnit(element) != DotUnit::None; }
  /// Columns of a packed panel.
  unsigned panel(Type element) const { return lanes(element) * tileVectors; }
  /// Columns of a panel whose elements come in groups for `unit`: the sums of two tiles side by side, or as many
  /// vectors of sums as other panels have.
  unsigned groupedPanel(DotUnit unit) const { return unit == DotUnit::Tiles ? 32 : vectorBits / 32 * tileVectors; }

  /// The target travels with the module as `ac.target`; modules without one are for x86-64-v4.
  void attach(ModuleOp module) const;
  static TargetInfo of(ModuleOp module);
};

} // namespace mlir::ac

#endif // SUPPORT_TARGETINFO_H
