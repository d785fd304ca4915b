//===- Passes.td - The kernels stage ----------------------------*- tablegen -*-===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// On tensors, run by the kernels stage: fold-transposes to select-kernels. On buffers: fuse-rows, run by the bufferize stage,
// and call-kernels to emit-loops, run by the codegen stage.
//
//===----------------------------------------------------------------------===//
#ifndef KERNELS_PASSES
#define KERNELS_PASSES

include "mlir/Pass/PassBase.td"

def FoldTransposes : Pass<"ac-fold-transposes", "::mlir::ModuleOp"> {
  let summary = "Transpose weights while compiling";
  let description = [{
    A `linalg.transpose` of a constant, possibly reshaped, becomes a constant: recurrent weights arrive in the other
    orientation than products read them. A constant that repeats one element stays so.
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect"];
}

def FuseElementwise : Pass<"ac-fuse-elementwise", "::mlir::ModuleOp"> {
  let summary = "Fuse chains of elementwise operations into one loop nest";
  let description = [{
    Merges an all-parallel `linalg.generic` into its only user where both visit the same elements. Producers of
    reductions are fused too when they are cheap to recompute. Leaves operations with several users alone.
  }];
  let dependentDialects = ["::mlir::linalg::LinalgDialect", "::mlir::tensor::TensorDialect",
                           "::mlir::affine::AffineDialect", "::mlir::arith::ArithDialect"];
}

def FuseEpilogues : Pass<"ac-fuse-epilogues", "::mlir::ModuleOp"> {
  let summary = "Move elementwise users of a matrix product into its epilogue";
  let description = [{
    An all-parallel `linalg.generic` that is the only user of an `ac.contract`, directly or through reshapes that keep
    the matrix dimensions apart, becomes part of the contraction's region: bias, activation and residual then run on
    accumulators in registers. The other operands must be addressable by batch, row and column; others are left alone.
    The same for an `ac.depthwise`, as far as a kernel from elsewhere can compute it.
  }];
  let dependentDialects = ["::mlir::ac::ACDialect", "::mlir::tensor::TensorDialect"];
}

def FuseRowMoves : Pass<"ac-fuse-row-moves", "::mlir::ModuleOp"> {
  let summary = "Let products read and write rows where they are";
  let description = [{
    An `ac.contract` whose lhs is an `ac.gather_rows` reads the source by `lhs_rows`, and one whose only user is an
    `ac.scatter_rows` writes its destination by `out_rows`, directly or through reshapes that add and remove dimensions
    of one. Leaves gathers with other users for those, and scatters of anything but a product.
  }];
  let dependentDialects = ["::mlir::ac::ACDialect", "::mlir::tensor::TensorDialect"];
}

def FlushDenormals : Pass<"ac-flush-denormals", "::mlir::ModuleOp"> {
  let summary = "Replace denormal weights of matrix products by zero";
  let description = [{
    Constant operands of an `ac.contract` below the smallest normal number become zero: they do not change a sum unless
    all else in it is as small, and many processors take a hundred times as long to multiply them. Other users of the
    constant, and what is computed at run time, keep their denormals.
  }];
  let dependentDialects = ["::mlir::ac::ACDialect", "::mlir::arith::ArithDialect"];
}

def NarrowProducts : Pass<"ac-narrow-products", "::mlir::ModuleOp"> {
  let summary = "Compute products of f32 with constant matrices in bf16";
  let description = [{
    In a module with `ac.precision = "bf16"`, both operands of each `ac.contract` of f32 whose rhs is constant are rounded to
    bf16, to the nearest and to the even one of two; so are those of an operation that has the attribute itself. Sums,
    epilogues and results stay in f32. A value is rounded once, in front of the gathers of its rows. Where the rhs are small
    integers with scales, the lhs is rounded if the target multiplies tiles of bf16, to which panels are then unpacked.
    Overlapping matrices (`rhs_starts`) and matrices that are computed at run time are left alone. Without the attribute, or
    with "f32", nothing changes.
  }];
  let statistics = [Statistic<"numProducts", "products", "Products that read bf16 now">];
  let dependentDialects = ["::mlir::ac::ACDialect", "::mlir::arith::ArithDialect", "::mlir::linalg::LinalgDialect",
                           "::mlir::tensor::TensorDialect"];
}

def PrepackWeights : Pass<"ac-prepack-weights", "::mlir::ModuleOp"> {
  let summary = "Lay constant right-hand sides of matrix products out in panels";
  let description = [{
    A constant rhs `[b, k, n]` of an `ac.contract` becomes `[b, panels, k, lanes]`, zero padded, in the panel width of
    the target. The microkernel then reads it as one stream. Small integers with scales stay small: where four bits tell all
    of them apart, eight steps of a column become one word. Scales that f16 holds without loss are kept so. Bytes and
    bf16 that the target multiplies in groups lie in groups: `[b, panels, groups, lanes * group]`. Matrices used otherwise
    as well keep their first layout too.
  }];
  let dependentDialects = ["::mlir::ac::ACDialect", "::mlir::arith::ArithDialect"];
}

def PackColumns : Pass<"ac-pack-columns", "::mlir::ModuleOp"> {
  let summary = "Put the right-hand sides of wide products into panels";
  let description = [{
    An `ac.contract` with at least 40 rows whose rhs is computed at run time, such as a convolution's, is marked `copied`:
    its kernel copies each panel of columns when it first reads it. If the columns are the result of another such product,
    both become a loop over groups of columns, in which the first leaves panels for the second. Leaves products alone
    whose rows or depth are not known while compiling, and those whose rhs is small.
  }];
  let dependentDialects = ["::mlir::ac::ACDialect", "::mlir::affine::AffineDialect", "::mlir::arith::ArithDialect",
                           "::mlir::linalg::LinalgDialect", "::mlir::scf::SCFDialect",
                           "::mlir::tensor::TensorDialect"];
}

def TurnProducts : Pass<"ac-turn-products", "::mlir::ModuleOp"> {
  let summary = "Take vectors of rows where columns fill few";
  let description = [{
    An `ac.contract` of constant rows and columns that are computed at run time, such as a convolution's, becomes `turned`
    if vectors of its rows are filled better than vectors of its columns, or if too few rows would read a copy of these:
    the lines of a small image are no vectors, and channels are. The constant is packed. Does so on targets with masks.
  }];
  let dependentDialects = ["::mlir::ac::ACDialect", "::mlir::arith::ArithDialect"];
}

def TileWindows : Pass<"ac-tile-windows", "::mlir::ModuleOp"> {
  let summary = "Compute what windows read a few rows at a time";
  let description = [{
    An all-parallel `linalg.generic` that reads windows of an image (`tensor.extract` at rows a constant apart), such as a
    depthwise convolution, and an `ac.contract` of little depth that computes the image for it alone become a loop over rows:
    what some of them read is computed, rows that windows share once more, and is used while it is in the second-level
    cache. Leaves images alone that are known to fit there.
  }];
  let dependentDialects = ["::mlir::ac::ACDialect", "::mlir::affine::AffineDialect", "::mlir::arith::ArithDialect",
                           "::mlir::linalg::LinalgDialect", "::mlir::scf::SCFDialect",
                           "::mlir::tensor::TensorDialect"];
}

def TileLines : Pass<"ac-tile-lines", "::mlir::ModuleOp"> {
  let summary = "Lay the lines of convolutions out a few rows at a time";
  let description = [{
    An `ac.contract` with `rhs_starts` whose lines a `linalg.generic` makes for it alone, all of them from elsewhere in an image,
    becomes a loop over rows of positions: the lines of some of them are made and multiplied, with the epilogue, while they
    are in the second-level cache. Leaves lines alone that are known to fit there.
  }];
  let dependentDialects = ["::mlir::ac::ACDialect", "::mlir::affine::AffineDialect", "::mlir::arith::ArithDialect",
                           "::mlir::linalg::LinalgDialect", "::mlir::scf::SCFDialect",
                           "::mlir::tensor::TensorDialect"];
}

def FuseRows : Pass<"ac-fuse-rows", "::mlir::func::FuncOp"> {
  let summary = "Run chains of reductions and elementwise operations row by row";
  let description = [{
    Neighbouring `linalg.generic`s on buffers of which at least one reduces the trailing dimensions, such as the parts of a
    softmax or of a normalisation, become one `ac.parallel` over the leading dimensions that does all of them for a row
    while it is in the cache. What one of them writes, others may only touch in the same row. Leaves chains alone that
    have fewer than four rows.
  }];
  let dependentDialects = ["::mlir::ac::ACDialect", "::mlir::arith::ArithDialect", "::mlir::linalg::LinalgDialect",
                           "::mlir::memref::MemRefDialect", "::mlir::scf::SCFDialect"];
}

def SelectKernels : Pass<"ac-select-kernels", "::mlir::ModuleOp"> {
  let summary = "Choose what is computed by kernels of another generator";
  let description = [{
    Where the module's `ac.generator` says so, an `ac.depthwise` stays and what it holds as `instead` goes, and an
    `ac.contract` with packed weights is marked with `ac.kernel`. `ac.generator` is "halide", for all that Halide can
    compute, or a dictionary of the work for which it is the faster one (`ac-compile --kernels`). Without it, and for what
    a description of a kernel cannot say, MLIR is left to make the kernels, and `ac.depthwise` becomes `instead`.
  }];
  let dependentDialects = ["::mlir::ac::ACDialect"];
}

def CallKernels : Pass<"ac-call-kernels", "::mlir::ModuleOp"> {
  let summary = "Call kernels from elsewhere for depthwise convolutions on buffers";
  let description = [{
    Each `ac.depthwise` on buffers becomes an `ac.parallel` over planes that calls a function which `ac.kernels` of the
    module describes. The driver links what that function is. (`ac-emit-contractions` does so for products.) Leaves
    convolutions on tensors alone.
  }];
  let dependentDialects = ["::mlir::ac::ACDialect", "::mlir::arith::ArithDialect", "::mlir::cf::ControlFlowDialect",
                           "::mlir::LLVM::LLVMDialect", "::mlir::memref::MemRefDialect"];
}

def EmitContractions : Pass<"ac-emit-contractions", "::mlir::ModuleOp"> {
  let summary = "Emit register-blocked microkernels for matrix products on buffers";
  let description = [{
    Each `ac.contract` on buffers becomes an `ac.parallel` over panels of columns and chunks of rows that calls a kernel:
    tiles of accumulators in registers, rows left over by tiles of exactly their number, the epilogue before the store.
    Small integers with scales become numbers in registers, or once for all rows of a task if it has many.
    Kernels work on sizes known at run time, so products with equal types, maps and epilogues share one. Where `ac.kernel`
    says so, the tiles are computed by a function from elsewhere, which `ac.kernels` of the module describes, or by two: one
    for few rows of small integers, one for a panel that has been unpacked. Leaves contractions on tensors alone.
  }];
  let dependentDialects = ["::mlir::ac::ACDialect", "::mlir::affine::AffineDialect", "::mlir::arith::ArithDialect",
                           "::mlir::LLVM::LLVMDialect", "::mlir::memref::MemRefDialect", "::mlir::scf::SCFDialect",
                           "::mlir::vector::VectorDialect"];
}

def EmitAttention : Pass<"ac-emit-attention", "::mlir::ModuleOp"> {
  let summary = "Emit kernels for attention on buffers";
  let description = [{
    Each `ac.attention` on buffers becomes loops that hold the scores of a tile of queries and a block of keys alone. Blocks
    that nobody sees are left out. Work is shared by rows of heads, or by blocks of keys where rows are few. Attentions with
    equal attributes and types share a kernel. Leaves those on tensors alone; refuses elements other than f32.
  }];
  let dependentDialects = ["::mlir::ac::ACDialect", "::mlir::arith::ArithDialect",
                           "::mlir::linalg::LinalgDialect", "::mlir::LLVM::LLVMDialect", "::mlir::math::MathDialect",
                           "::mlir::memref::MemRefDialect", "::mlir::scf::SCFDialect", "::mlir::vector::VectorDialect"];
}

def EmitRowMoves : Pass<"ac-emit-row-moves", "::mlir::ModuleOp"> {
  let summary = "Emit loops for gathers and scatters of rows on buffers";
  let description = [{
    Each `ac.gather_rows` and `ac.scatter_rows` on buffers becomes an `ac.parallel` over rows around a loop along the
    row. No row is written twice, so ranges are independent. Leaves those on tensors alone.
  }];
  let dependentDialects = ["::mlir::ac::ACDialect", "::mlir::arith::ArithDialect", "::mlir::memref::MemRefDialect",
                           "::mlir::scf::SCFDialect"];
}

def EmitLoops : Pass<"ac-emit-loops", "::mlir::ModuleOp"> {
  let summary = "Emit parallel loop nests for linalg operations on buffers";
  let description = [{
    Each `linalg` operation and `memref.copy` on buffers becomes an `ac.parallel` around loops whose innermost one runs
    along contiguous memory where there is such a dimension, ready for LLVM's vectoriser. Dimensions that all operands
    walk together are merged, loops are split where comparisons of an index with a size change their answer, and
    transposes are done in square tiles. Small static nests stay serial. Dimensions that are reduced are never split between
    threads, so results do not depend on their number.
  }];
  let dependentDialects = ["::mlir::ac::ACDialect", "::mlir::affine::AffineDialect", "::mlir::arith::ArithDialect",
                           "::mlir::memref::MemRefDialect", "::mlir::scf::SCFDialect",
                           "::mlir::linalg::LinalgDialect", "::mlir::vector::VectorDialect",
                           "::mlir::LLVM::LLVMDialect"];
}

#endif // KERNELS_PASSES
