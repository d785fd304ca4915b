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

def AC_YieldOp : AC_Op<"yield", [Pure, Terminator, ReturnLike, ParentOneOf<["ContractOp", "ExitOp", "HaltingLoopOp", "LearnerChainOp", "MaskedRowsOp", "MoeDispatchOp",
                                           "ParallelOp", "SkipOp"]>]> {
  let summary = "Ends a region of an `ac` operation";
  let arguments = (ins Variadic<AnyType>:$values);
  let assemblyFormat = "($values^ `:` type($values))? attr-dict";
  let builders = [OpBuilder<(ins)>];
}

def AC_ContractOp : AC_Op<"contract", [DestinationStyleOpInterface,
                                       DeclareOpInterfaceMethods<MemoryEffectsOpInterface>]> {
  let summary = "Batched matrix product with an elementwise epilogue";
  let description = [{
    `result[b, m, n] = epilogue(sum over k of lhs[lb(b), m, k] * rhs[rb(b), k, n], extras...)`, where `lb` and `rb`
    are `lhs_batch` and `rhs_batch`: `(d0) -> (d0)` for a matrix per batch entry, `(d0) -> (0)` for one shared by all,
    `(d0) -> (d0 floordiv 3)` for grouped heads.

    Every operand has rank 3, but a `packed` rhs: it has rank 4, `[batch, panels, k, lanes]`, column `n` of the matrix
    standing at `[n floordiv lanes, k, n mod lanes]` and the lanes past the last column being zero.

    The region computes one element of the result from the finished sum and one element of each extra. Extra `i` is
    read at `extra_maps[i](b, m, n)`. It holds operations on scalars only, so that it can run on vectors. Products
    and sums are computed in the element type of the result.

    - (contract_c1) lhs, rhs and result have the same floating-point element type.
    - (contract_c2) lhs and result have rank 3; rhs has rank 3, or 4 when packed.
    - (contract_c3) there is one map from three dimensions for each extra, with as many results as it has dimensions.
    - (contract_c4) the region takes the sum and one element of each extra, and yields one element of the result.
    - (contract_c5) `lhs_batch` and `rhs_batch` take one dimension to one.

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
  let arguments = (ins AnyType:$lhs, AnyType:$rhs, Variadic<AnyType>:$extras, AnyType:$init,
                       AffineMapAttr:$lhs_batch, AffineMapAttr:$rhs_batch, AffineMapArrayAttr:$extra_maps,
                       UnitAttr:$packed);
  let results = (outs Variadic<AnyType>:$results);
  let regions = (region SizedRegion<1>:$epilogue);
  let assemblyFormat = [{
    (`packed` $packed^)? `ins` `(` $lhs `,` $rhs `:` type($lhs) `,` type($rhs) `)`
    `extras` `(` ($extras^ `:` type($extras))? `)` `outs` `(` $init `:` type($init) `)`
    attr-dict-with-keyword $epilogue (`->` type($results)^)?
  }];
  let hasVerifier = 1;
  let hasRegionVerifier = 1; // contract_c4
  let extraClassDeclaration = [{
    ::mlir::MutableOperandRange getDpsInitsMutable() { return getInitMutable(); }
    /// Element type of the sum.
    ::mlir::Type getElementType();
    /// Columns of a packed panel.
    int64_t getLanes();
    ::mlir::Block *getEpilogueBody() { return &getEpilogue().front(); }
  }];
  let builders = [
    /// An epilogue that forwards the sum.
    OpBuilder<(ins "Value":$lhs, "Value":$rhs, "Value":$init, "AffineMap":$lhsBatch, "AffineMap":$rhsBatch)>
  ];
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

#endif // AC_OPS
