//===- Passes.td - The codegen stage ----------------------------*- tablegen -*-===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef CODEGEN_PASSES
#define CODEGEN_PASSES

include "mlir/Pass/PassBase.td"

def BindABI : Pass<"ac-bind-abi", "::mlir::ModuleOp"> {
  let summary = "Turn `main` into the entry point that the runtime calls";
  let description = [{
    `func.func @main` on buffers becomes `ac_model_run(call) -> status` (include/ac/Runtime/ABI.h): arguments are read
    from the call, results are written to buffers that the host gives (without a copy where a result is a buffer of its
    own, and without that of an input of which it begins as a copy if the host gave it the input's memory), `memref.alloc` and `memref.dealloc` use the arena of the run, assertions end the run with their message, and
    constants become views of the weights. The constants and their offsets stay on the module as `ac.weights`.

    `ac.read_budget` becomes a load from the call's table of budgets, once at the entry, and `ac.count` an addition to its
    table of counters. What the tables hold stands on the module as `ac.budgets` and `ac.counters`. Operations with one
    name that disagree in range, initial value or type, or in kind, names or costs of the counters, are errors.
  }];
  let dependentDialects = ["::mlir::LLVM::LLVMDialect", "::mlir::arith::ArithDialect", "::mlir::func::FuncDialect",
                           "::mlir::memref::MemRefDialect", "::mlir::scf::SCFDialect"];
}

def OutlineKernels : Pass<"ac-outline-kernels", "::mlir::ModuleOp"> {
  let summary = "Make a function of each parallel loop, one for all that are equal";
  let description = [{
    The body of an `ac.parallel` becomes a task function that receives what it captures in a structure; the loop becomes a
    call of the host's `parallel_for`. Bodies that are equal but for what they capture share one function.
  }];
  let options = [Option<"entry", "entry", "std::string", "\"ac_model_run\"", "Function whose first argument is the call">];
  let dependentDialects = ["::mlir::LLVM::LLVMDialect", "::mlir::arith::ArithDialect", "::mlir::func::FuncDialect",
                           "::mlir::scf::SCFDialect"];
}

def ResolveExpandShapes : Pass<"ac-resolve-expand-shapes"> {
  let summary = "Unfold a dimension into several of unknown size";
  let description = [{
    Rewrites `memref.expand_shape` where one dimension becomes several dynamic ones into `memref.reinterpret_cast` with
    computed strides. Upstream's `expand-strided-metadata` handles one dynamic dimension for each and crashes on more.
    Leaves alone all others.
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::memref::MemRefDialect"];
}

def NarrowFloats : Pass<"ac-narrow-floats"> {
  let summary = "Round to 16-bit floats with operations that every target has";
  let description = [{
    Rewrites `arith.truncf` from f32 to bf16, and from f64 to f16 and bf16, on scalars and vectors, into integer
    operations: LLVM would call functions of a compiler's runtime library, which compiled models do without. Arithmetic in
    bf16 is done in f32, each result rounded. Leaves alone f32 to f16, for which there are instructions.
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::math::MathDialect"];
}

def WidenBooleans : Pass<"ac-widen-booleans"> {
  let summary = "Load and store booleans as bytes";
  let description = [{
    A boolean in memory is a byte. LLVM does not vectorise loops that load or store `i1`; on `i8` it does. A vector of `i1`
    it takes for packed bits. Rewrites loads, stores, their masked forms and `llvm.getelementptr` of `i1` and of vectors of
    `i1`, and leaves alone booleans that are not in memory.
  }];
  let dependentDialects = ["::mlir::LLVM::LLVMDialect"];
}

def ApproximateMath : Pass<"ac-approximate-math", "::mlir::ModuleOp"> {
  let summary = "Replace single-precision math functions by polynomials that vectorise";
  let description = [{
    Functions of f32 scalars and vectors become arithmetic: exp, log, tanh, sin, ... of `ElementaryFunctions.h`, to two units
    in the last place for every argument, and upstream's approximations of some others. Vectors branch in sin, cos and
    tan: only arguments beyond 2^16 ask for the digits of 2/pi. Half precision is computed in single. Double precision is left
    to the C library, and so is what neither has (pow, ...).
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::math::MathDialect", "::mlir::memref::MemRefDialect",
                           "::mlir::scf::SCFDialect", "::mlir::vector::VectorDialect"];
}

#endif // CODEGEN_PASSES
