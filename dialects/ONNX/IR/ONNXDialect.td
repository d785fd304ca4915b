//===- ONNXDialect.td - The onnx dialect, its types and op classes --------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef ONNX_DIALECT
#define ONNX_DIALECT

include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/CommonAttrConstraints.td"
include "mlir/IR/CommonTypeConstraints.td"
include "mlir/IR/OpBase.td"
include "mlir/Interfaces/ControlFlowInterfaces.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

def ONNX_Dialect : Dialect {
  let name = "onnx";
  let cppNamespace = "::mlir::onnx";
  let summary = "Operators of the Open Neural Network Exchange format";
  let description = [{
    One op per operator, generated from the schema registry of the ONNX library. An op has as many operands as its
    operator has inputs: one that a model leaves out is an `onnx.NoValue`, and a result that nobody asked for has type
    `none`. Only the last operand and result can be variadic. Graph attributes are regions that end in `onnx.Yield`
    and use values of the enclosing graph directly. What an op means is fixed by the module's `onnx.opset`.

    A module made from a model has the attributes `onnx.ir_version`, `onnx.opset`, `onnx.producer`, `onnx.metadata`
    and a function `main` whose arguments and results carry `onnx.name` and `onnx.dims`.
  }];
  let useDefaultTypePrinterParser = 1;
  let hasConstantMaterializer = 1;
  let extraClassDeclaration = [{
    void registerTypes();
    void registerOps();
    template <typename... Ops> void addOps() { addOperations<Ops...>(); }
  }];
}

//===----------------------------------------------------------------------===//
// Types
//===----------------------------------------------------------------------===//

class ONNX_Type<string name, string typeMnemonic> : TypeDef<ONNX_Dialect, name> { let mnemonic = typeMnemonic; }

def ONNX_StringType : ONNX_Type<"String", "string"> {
  let summary = "Element type of tensors of strings";
}

def ONNX_UnknownType : ONNX_Type<"Unknown", "unknown"> {
  let summary = "Element type of a tensor of which nothing is known";
  let description = [{ Results of custom operators, and what is computed from them. }];
}

def ONNX_SeqType : ONNX_Type<"Seq", "seq"> {
  let summary = "Sequence of values of one type";
  let parameters = (ins "::mlir::Type":$elementType);
  let assemblyFormat = "`<` $elementType `>`";
}

def ONNX_OptType : ONNX_Type<"Opt", "opt"> {
  let summary = "A value or nothing";
  let parameters = (ins "::mlir::Type":$elementType);
  let assemblyFormat = "`<` $elementType `>`";
}

def ONNX_MapType : ONNX_Type<"Map", "map"> {
  let summary = "Map from keys to values";
  let parameters = (ins "::mlir::Type":$keyType, "::mlir::Type":$valueType);
  let assemblyFormat = "`<` $keyType `,` $valueType `>`";
}

//===----------------------------------------------------------------------===//
// Attributes: as the builtin ones, with accessors in plain C++ types
//===----------------------------------------------------------------------===//

def ONNX_IntAttr : TypedSignlessIntegerAttrBase<I64, "int64_t", "64-bit integer"> {
  let convertFromStorage = "$_self.getInt()";
}

def ONNX_FloatAttr : FloatAttrBase<F32, "32-bit float"> {
  let returnType = "float";
  let convertFromStorage = "static_cast<float>($_self.getValueAsDouble())";
  let constBuilderCall = "$_builder.getF32FloatAttr($0)";
}

//===----------------------------------------------------------------------===//
// Ops
//===----------------------------------------------------------------------===//

/// Syntax: `onnx.Add(%a, %b) {attributes} : (types) -> types`.
class ONNX_Op<string opMnemonic, list<Trait> traits = []> : Op<ONNX_Dialect, opMnemonic, traits> {
  let hasCustomAssemblyFormat = 1;
  let extraClassDefinition = [{
    ::mlir::ParseResult $cppClass::parse(::mlir::OpAsmParser &parser, ::mlir::OperationState &result) {
      return ::mlir::onnx::detail::parseOp(parser, result);
    }
    void $cppClass::print(::mlir::OpAsmPrinter &p) { ::mlir::onnx::detail::printOp(*this, p); }
  }];
}

/// Syntax: `onnx.If(%c) attributes {...} () {region}, (%arg : type) {region} : (types) -> types`.
class ONNX_RegionOp<string opMnemonic, list<Trait> traits = []> : Op<ONNX_Dialect, opMnemonic, traits> {
  let hasCustomAssemblyFormat = 1;
  let extraClassDefinition = [{
    ::mlir::ParseResult $cppClass::parse(::mlir::OpAsmParser &parser, ::mlir::OperationState &result) {
      return ::mlir::onnx::detail::parseRegionOp(parser, result);
    }
    void $cppClass::print(::mlir::OpAsmPrinter &p) { ::mlir::onnx::detail::printRegionOp(*this, p); }
  }];
}

#endif // ONNX_DIALECT
