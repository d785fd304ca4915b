//===- ACOps.td - The `ac` dialect ------------------------------*- tablegen -*-===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef AC_OPS
#define AC_OPS

include "mlir/IR/OpBase.td"
include "mlir/IR/BuiltinAttributes.td"
include "mlir/Interfaces/DestinationStyleOpInterface.td"
include "mlir/Interfaces/InferTypeOpInterface.td"
include "mlir/Interfaces/SideEffectInterfaces.td"
include "mlir/Interfaces/ControlFlowInterfaces.td"

def AC_Dialect : Dialect {
  let name = "ac";
  let cppNamespace = "::mlir::ac";
  let summary = "Adaptive computation, and the kernels that carry it";
  let dependentDialects = ["arith::ArithDialect", "affine::AffineDialect"];
  let useDefaultAttributePrinterParser = 1;
}

class AC_Op<string mnemonic, list<Trait> traits = []> : Op<AC_Dialect, mnemonic, traits>;

def AC_YieldOp : AC_Op<"yield", [Pure, Terminator, ReturnLike, ParentOneOf<["ContractOp", "DepthwiseOp", "ExitOp", "HaltingLoopOp", "LearnerChainOp", "MaskedRowsOp", "MoeDispatchOp",
                                           "ParallelOp", "SkipOp"]>]> {
  let summary = "Ends a region of an `ac` operation";
  let arguments = (ins Variadic<AnyType>:$values);
  let assemblyFormat = "($values^ `:` type($values))? attr-dict";
  let builders = [OpBuilder<(ins)>];
}

def AC_ContractOp : AC_Op<"contract", [AttrSizedOperandSegments, DestinationStyleOpInterface,
                                       DeclareOpInterfaceMethods<MemoryEffectsOpInterface>]> {
  let summary = "Batched matrix product with an elementwise epilogue";
  let description = [{
    `result[b, m, n] = epilogue(sum over k of lhs[lb(b), m, k] * rhs[rb(b), k, n], extras...)`, where `lb` and `rb`
    are `lhs_batch` and `rhs_batch`: `(d0) -> (d0)` for a matrix per batch entry, `(d0) -> (0)` for one shared by all,
    `(d0) -> (d0 floordiv 3)` for grouped heads.

    Every operand has rank 3, but a `packed` rhs: it has rank 4, `[batch, panels, k, lanes]`, column `n` of the matrix
    standing at `[n floordiv lanes, k, n mod lanes]`. What the lanes past the last column hold does not matter.

    The region computes one element of the result from the finished sum and one element of each extra. Extra `i` is
    read at `extra_maps[i](b, m, n)`. It holds operations on scalars only, so that it can run on vectors. Products
    and sums are computed in the type of the region's first argument, to which elements of lhs and rhs are converted
    first: small floats are summed in f32, and integers of eight bits in i32, modulo 2^32. `lhs_unsigned` and
    `rhs_unsigned` say which of them are 0 to 255 rather than -128 to 127. What the region yields may be of another type
    than the sum.

    With `group`, a packed rhs keeps as many steps of a column together: it is `[batch, panels, groups, lanes * group]`,
    element `[k, n]` standing at `[n floordiv lanes, k floordiv group, (n mod lanes) * group + k mod group]`. There may be
    more groups than the depth needs; what stands past the last step is zero. Sums of floats are then formed as the target's
    instructions do: products of a group are added to the sum without being rounded to bf16, in the instruction's order,
    and numbers too small to be normal ones count as zero.

    Rows that stand apart are read and written where they are. With `lhs_rows`, row `m` of the product reads row
    `lhs_rows[m]` of the lhs, and there are as many rows as it has elements. With `out_rows`, row `m` goes to row
    `out_rows[m]` of the result, whose other rows keep what `outs` holds; no row is named twice. With `accumulate`, what
    the region yields is added to what `outs` holds.

    A rhs of small integers stands for numbers: with `scales`, element `[k, n]` is
    `(rhs[k, n] - zeros[k floordiv block_size, n]) * scales[k floordiv block_size, n] + offsets[k floordiv block_size, n]`,
    where `zeros` and `offsets` may be left out. The number that is multiplied is rounded as if it had been computed before
    the product: after the scale, or once after the offset. Scales, zeros and offsets are `[batch, blocks, n]`, and in
    panels as a packed rhs is: `[batch, panels, blocks, lanes]`. With `least`, a packed rhs has four bits an element: word
    `[batch, panel, i, lane]` holds elements `8 * i` to `8 * i + 7` of a column, the first of them in its lowest bits, each
    less the smallest of them, which is `least`.

    With `rhs_starts`, the matrices of the rhs overlap, as those of a convolution do: it is `[lines, pitch]`, lines being
    one behind the other, and element `[k, n]` of matrix `i` stands `rhs_starts[k] + n` elements behind the start of line
    `i`. All of them lie inside. The result may then have a fourth matrix dimension, the image: each image has as many
    lines, and its matrices are counted from its first one.

    `lhs_order`, `rhs_order` and `out_order` tell operands whose dimensions stand in another order: dimension `i` of the
    operand is dimension `order[i]` of the matrices (0 batch, 1 row, 2 column, 3 image).

    With `out_panels`, the result is in panels, as a packed rhs is: `[batch, panels, m, lanes]`.

    `copied` changes no number: the kernel then copies each panel of columns, while the first rows pass it by, to memory
    that stays in a cache for the rows that follow. Nor does `rows_first`: threads share the rows out before the columns,
    for a result whose rows are then read one by one.

    With `turned`, the lhs is a matrix of rank 4, `[1, panels, k, lanes]`, element `[m, k]` standing at
    `[m floordiv lanes, k, m mod lanes]`, as in a packed rhs: the kernel takes vectors of rows, and columns one by one.

    - (contract_c1) lhs and rhs, but for a rhs with `scales`, have elements of the sum's type, which is a float; or, where the
      sum is f32, of f16 or bf16; or, where it is i32, of i8. The result's elements are floats or integers of 8, 16 or 32 bits.
    - (contract_c2) lhs and result have rank 3, the result 4 in panels; rhs has rank 3, or 4 when packed, or 2 with `rhs_starts`, where the result
      has rank 4 if `out_order` has four dimensions.
    - (contract_c3) there is one map from the result's dimensions for each extra, with as many results as it has dimensions.
    - (contract_c4) the region takes the sum and one element of each extra, and yields one element of the result.
    - (contract_c5) `lhs_batch` and `rhs_batch` take one dimension to one.
    - (contract_c6) `lhs_rows` and `out_rows` have one dimension and elements of type index; without them, lhs and result
      have the same number of rows.
    - (contract_c7) an order is a permutation of the operand's matrix dimensions; columns of rhs and result stay last, and a
      rhs that is packed or has starts has none.
    - (contract_c8) `scales` and `block_size`, which is positive, come together; `zeros` and `offsets` only with them, in their
      shape. Scales and offsets have f16 or f32 elements and zeros i8, where the sum is f32 and lhs has f32 or bf16.
    - (contract_c9) a rhs with scales has i8 elements and no order, or i32 elements if there is `least`; then it is packed, its
      blocks are whole words unless there is only one, and `least` is -128 to 127.
    - (contract_c10) `rhs_starts` has one dimension, the depth, and elements of type index; its rhs is neither packed nor
      does it have scales.
    - (contract_c11) `lhs_unsigned` and `rhs_unsigned` come with a sum of i32, and `accumulate` with a result of floats.

    - (contract_c12) `group` comes with a packed rhs without scales; a group fills 32 bits, and lhs and rhs have elements of
      the same type.
    - (contract_c13) `copied` comes with a rhs that is not packed and has no scales; `out_panels` with such a rhs without
      starts, and with a result without order, rows or accumulation.
    - (contract_c14) `turned` comes with a lhs of f32 and rank 4 without order, and a rhs that is neither packed nor copied nor
      has scales; rows have no lists, and the result no panels.

    ```mlir
    %r = ac.contract ins(%a, %b : tensor<1x?x64xf32>, tensor<1x64x32xf32>) extras(%bias : tensor<32xf32>)
        outs(%init : tensor<1x?x32xf32>)
        attributes {lhs_batch = affine_map<(d0) -> (d0)>, rhs_batch = affine_map<(d0) -> (0)>,
                    extra_maps = [affine_map<(d0, d1, d2) -> (d2)>]} {
    ^bb0(%sum: f32, %add: f32):
      %biased = arith.addf %sum, %add : f32
      ac.yield %biased : f32
    } -> tensor<1x?x32xf32>
    ```
  }];
  let arguments = (ins AnyType:$lhs, AnyType:$rhs, Optional<AnyType>:$scales, Optional<AnyType>:$zeros,
                       Optional<AnyType>:$offsets, Variadic<AnyType>:$extras, Optional<AnyType>:$lhs_rows,
                       Optional<AnyType>:$out_rows, Optional<AnyType>:$rhs_starts, AnyType:$init,
                       AffineMapAttr:$lhs_batch, AffineMapAttr:$rhs_batch, AffineMapArrayAttr:$extra_maps,
                       OptionalAttr<DenseI64ArrayAttr>:$lhs_order, OptionalAttr<DenseI64ArrayAttr>:$rhs_order,
                       OptionalAttr<DenseI64ArrayAttr>:$out_order, OptionalAttr<I64Attr>:$block_size,
                       OptionalAttr<I64Attr>:$least, OptionalAttr<I64Attr>:$group, UnitAttr:$packed, UnitAttr:$accumulate, UnitAttr:$lhs_unsigned,
                       UnitAttr:$rhs_unsigned, UnitAttr:$copied, UnitAttr:$out_panels,
                       UnitAttr:$rows_first, UnitAttr:$turned);
  let results = (outs Variadic<AnyType>:$results);
  let regions = (region SizedRegion<1>:$epilogue);
  let assemblyFormat = [{
    (`packed` $packed^)? `ins` `(` $lhs `,` $rhs `:` type($lhs) `,` type($rhs) `)`
    (`scales` `(` $scales^ `:` type($scales) `)`)? (`zeros` `(` $zeros^ `:` type($zeros) `)`)?
    (`offsets` `(` $offsets^ `:` type($offsets) `)`)?
    `extras` `(` ($extras^ `:` type($extras))? `)` (`lhs_rows` `(` $lhs_rows^ `:` type($lhs_rows) `)`)?
    (`out_rows` `(` $out_rows^ `:` type($out_rows) `)`)?
    (`rhs_starts` `(` $rhs_starts^ `:` type($rhs_starts) `)`)? (`accumulate` $accumulate^)? `outs` `(` $init `:` type($init) `)`
    attr-dict-with-keyword $epilogue (`->` type($results)^)?
  }];
  let hasVerifier = 1;
  let hasRegionVerifier = 1; // contract_c4
  let extraClassDeclaration = [{
    ::mlir::MutableOperandRange getDpsInitsMutable() { return getInitMutable(); }
    /// Element type of the sum: f32, f64 or i32; null while the region has no arguments.
    ::mlir::Type getElementType();
    /// Element type of the result, which the region yields.
    ::mlir::Type getResultElementType();
    /// Columns of a packed panel.
    int64_t getLanes();
    ::mlir::Block *getEpilogueBody() { return &getEpilogue().front(); }
    /// Matrix dimensions of the result: 3, or 4 if there are images.
    int64_t getNumMatrixDims() {
      return ::llvm::cast<::mlir::ShapedType>(getInit().getType()).getRank() - (getOutPanels() ? 1 : 0);
    }
    bool hasImages() { return getNumMatrixDims() == 4; }
    /// Whether what `outs` holds is part of the result.
    bool readsInit() { return getAccumulate() || getOutRows(); }
    /// Whether the rhs has to be scaled.
    bool isQuantized() { return bool(getScales()); }
    ::llvm::LogicalResult verifyQuantization();
    /// The result's dimension that holds matrix dimension `matrixDim`; in panels, columns have none of their own.
    int64_t getOutDim(int64_t matrixDim);
    /// The operand's dimension that holds matrix dimension `matrixDim`.
    static int64_t dimOf(std::optional<::llvm::ArrayRef<int64_t>> order, int64_t matrixDim);
  }];
  let builders = [
    /// An epilogue that forwards the sum, which has the element type of `init`.
    OpBuilder<(ins "Value":$lhs, "Value":$rhs, "Value":$init, "AffineMap":$lhsBatch, "AffineMap":$rhsBatch)>
  ];
}

def AC_DequantizedProductOp : AC_Op<"dequantized_product", [AttrSizedOperandSegments, Pure]> {
  let summary = "Product of rows with a matrix of small integers";
  let description = [{
    `result[..., n] = sum over k of rows[..., k] * w[n, k]` with
    `w[n, k] = (weights[n, k] - zeros[n, b]) * scales[n, b] + offsets[n, b]` and `b = k floordiv block_size`; `zeros` and
    `offsets` may be left out. What ONNX writes as `DequantizeLinear`, `Transpose` and `MatMul`, and ONNX Runtime as
    `MatMulNBits`: the matrix stays as small as it is.

    - (dequantized_product_c1) weights are `[n, k]` of type i8, with n and k positive; rows and result are of f32 and at least
      one dimension, and differ in the last alone, which is k and n.
    - (dequantized_product_c2) `block_size` is positive; scales, zeros and offsets are `[n, ceildiv(k, block_size)]` of f32, i8
      and f32.

    ```mlir
    %y = ac.dequantized_product %x, %w scales(%s : tensor<64x4xf32>) block 32
        : tensor<?x128xf32>, tensor<64x128xi8> -> tensor<?x64xf32>
    ```
  }];
  let arguments = (ins AnyRankedTensor:$rows, AnyRankedTensor:$weights, AnyRankedTensor:$scales,
                       Optional<AnyRankedTensor>:$zeros, Optional<AnyRankedTensor>:$offsets, I64Attr:$block_size);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = [{
    $rows `,` $weights `scales` `(` $scales `:` type($scales) `)` (`zeros` `(` $zeros^ `:` type($zeros) `)`)?
    (`offsets` `(` $offsets^ `:` type($offsets) `)`)? `block` $block_size attr-dict `:` type($rows) `,` type($weights)
    `->` type($result)
  }];
  let hasVerifier = 1;
}

def AC_DepthwiseOp : AC_Op<"depthwise", [AttrSizedOperandSegments, DestinationStyleOpInterface,
                                         DeclareOpInterfaceMethods<MemoryEffectsOpInterface>]> {
  let summary = "Convolution of each channel by a window of its own, with an elementwise epilogue";
  let description = [{
    `result[n, c, y, x] = epilogue(sum over i, j of input[n, c, y * strides[0] + i * dilations[0] - low[0],
    x * strides[1] + j * dilations[1] - low[1]] * weights[c, i * kernel[1] + j], extras...)`, where elements outside of the
    input are zero.

    The region computes one element of the result from the finished sum and one element of each extra, as that of
    `ac.contract` does. Extra `i` is read at `extra_maps[i](n, c, y, x)`.

    This operation is for kernels from elsewhere. What `instead` holds is the same result by ordinary operations, between
    which and this one `ac-select-kernels` chooses.

    - (depthwise_c1) input and result have rank 4, weights rank 2 and as many columns as the kernel has taps; all have
      the same floating-point element type.
    - (depthwise_c2) kernel, strides, dilations and `low` have two entries each, none negative, and none but `low` zero.
    - (depthwise_c3) there is one map from four dimensions for each extra, with as many results as it has dimensions.
    - (depthwise_c4) the region takes the sum and one element of each extra, and yields one element of the result.
    - (depthwise_c5) `instead` is a tensor of the result's type, and there are no extras yet.

    ```mlir
    %r = ac.depthwise ins(%x, %w : tensor<1x8x10x10xf32>, tensor<8x9xf32>) extras(%bias : tensor<8xf32>)
        outs(%init : tensor<1x8x10x10xf32>)
        attributes {kernel = array<i64: 3, 3>, strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>,
                    low = array<i64: 1, 1>, extra_maps = [affine_map<(d0, d1, d2, d3) -> (d1)>]} {
    ^bb0(%sum: f32, %add: f32):
      %biased = arith.addf %sum, %add : f32
      ac.yield %biased : f32
    } -> tensor<1x8x10x10xf32>
    ```
  }];
  let arguments = (ins AnyType:$input, AnyType:$weights, Variadic<AnyType>:$extras, Optional<AnyType>:$instead,
                       AnyType:$init, DenseI64ArrayAttr:$kernel, DenseI64ArrayAttr:$strides, DenseI64ArrayAttr:$dilations,
                       DenseI64ArrayAttr:$low, AffineMapArrayAttr:$extra_maps);
  let results = (outs Variadic<AnyType>:$results);
  let regions = (region SizedRegion<1>:$epilogue);
  let assemblyFormat = [{
    `ins` `(` $input `,` $weights `:` type($input) `,` type($weights) `)` `extras` `(` ($extras^ `:` type($extras))? `)`
    (`instead` `(` $instead^ `:` type($instead) `)`)? `outs` `(` $init `:` type($init) `)` attr-dict-with-keyword
    $epilogue (`->` type($results)^)?
  }];
  let hasVerifier = 1;
  let hasRegionVerifier = 1; // depthwise_c4
  let extraClassDeclaration = [{
    ::mlir::MutableOperandRange getDpsInitsMutable() { return getInitMutable(); }
    ::mlir::Type getElementType();
    ::mlir::Block *getEpilogueBody() { return &getEpilogue().front(); }
  }];
}

def AC_GatherRowsOp : AC_Op<"gather_rows", [DestinationStyleOpInterface,
                                            DeclareOpInterfaceMethods<MemoryEffectsOpInterface>]> {
  let summary = "Rows of a matrix, one after another";
  let description = [{
    `result[m, n] = source[places[m], n]`. `ac-fuse-row-moves` lets products read the rows where they are.

    - (gather_rows_c1) source and result have rank two, one element type and one width; `places` is `[m]` of type index.

    ```mlir
    %r = ac.gather_rows %x at %places outs(%init : tensor<?x64xf32>) : tensor<?x64xf32>, tensor<?xindex> -> tensor<?x64xf32>
    ```
  }];
  let arguments = (ins AnyType:$source, AnyType:$places, AnyType:$init);
  let results = (outs Variadic<AnyType>:$results);
  let assemblyFormat = [{
    $source `at` $places `outs` `(` $init `:` type($init) `)` attr-dict `:` type($source) `,` type($places)
    (`->` type($results)^)?
  }];
  let hasVerifier = 1;
  let extraClassDeclaration = "::mlir::MutableOperandRange getDpsInitsMutable() { return getInitMutable(); }";
}

def AC_ScatterRowsOp : AC_Op<"scatter_rows", [DestinationStyleOpInterface,
                                              DeclareOpInterfaceMethods<MemoryEffectsOpInterface>]> {
  let summary = "Puts rows of a matrix in their places in another";
  let description = [{
    Row `m` of `rows` goes to row `places[m]` of the result, or is added to it with `accumulate`; the other rows are those
    of `outs`. No place is named twice. `ac-fuse-row-moves` lets products write the rows where they belong.

    - (scatter_rows_c1) rows and result have rank two, one element type and one width; `places` is `[m]` of type index.

    ```mlir
    %y = ac.scatter_rows %r at %places accumulate outs(%x : tensor<?x64xf32>) : tensor<?x64xf32>, tensor<?xindex> -> tensor<?x64xf32>
    ```
  }];
  let arguments = (ins AnyType:$rows, AnyType:$places, AnyType:$init, UnitAttr:$accumulate);
  let results = (outs Variadic<AnyType>:$results);
  let assemblyFormat = [{
    $rows `at` $places (`accumulate` $accumulate^)? `outs` `(` $init `:` type($init) `)` attr-dict `:` type($rows) `,`
    type($places) (`->` type($results)^)?
  }];
  let hasVerifier = 1;
  let extraClassDeclaration = "::mlir::MutableOperandRange getDpsInitsMutable() { return getInitMutable(); }";
}

def AC_ParallelOp : AC_Op<"parallel", [RecursiveMemoryEffects]> {
  let summary = "A loop whose ranges may run on several threads";
  let description = [{
    Runs the body for disjoint ranges that cover `[0, count)`; the body receives the bounds of one range. Ranges
    hold at least `grain` iterations, but for the last. The body writes only to memory; two ranges never write the
    same element, so the result does not depend on the number of threads.

    - (parallel_c1) the region takes two indices and ends with an `ac.yield` of nothing.

    ```mlir
    ac.parallel %count grain %grain {
    ^bb0(%begin: index, %end: index):
      scf.for %i = %begin to %end step %one {
        memref.store %zero, %x[%i] : memref<?xf32>
      }
      ac.yield
    }
    ```
  }];
  let arguments = (ins Index:$count, Index:$grain);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = "$count `grain` $grain $body attr-dict";
  let builders = [OpBuilder<(ins "Value":$count, "Value":$grain)>];
  let skipDefaultBuilders = 1;
  let hasRegionVerifier = 1; // parallel_c1
  let extraClassDeclaration = [{
    ::mlir::Value getBegin() { return getBody().getArgument(0); }
    ::mlir::Value getEnd() { return getBody().getArgument(1); }
  }];
}

include "dialects/AC/IR/ACAdaptiveOps.td"
include "dialects/AC/IR/ACAttentionOp.td"

#endif // AC_OPS
