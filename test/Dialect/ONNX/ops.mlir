// RUN: ac-opt %s | ac-opt | FileCheck %s
// RUN: ac-opt %s --mlir-print-op-generic | ac-opt | FileCheck %s

// CHECK-LABEL: func.func @plain
// CHECK: onnx.Gemm(%{{.*}}, %{{.*}}, %{{.*}}) {transB = 1 : i64} : (tensor<2x3xf32>, tensor<4x3xf32>, none) -> tensor<2x4xf32>
func.func @plain(%a: tensor<2x3xf32>, %b: tensor<4x3xf32>) -> tensor<2x4xf32> {
  %none = onnx.NoValue() : () -> none
  %y = onnx.Gemm(%a, %b, %none) {transB = 1 : i64} : (tensor<2x3xf32>, tensor<4x3xf32>, none) -> tensor<2x4xf32>
  return %y : tensor<2x4xf32>
}

// CHECK-LABEL: func.func @variadic
// CHECK: onnx.Concat(%{{.*}}, %{{.*}}) {axis = 0 : i64} :
// CHECK: onnx.Split(%{{.*}}) {axis = 0 : i64} : (tensor<4xf32>, none) -> (tensor<1xf32>, tensor<3xf32>)
func.func @variadic(%a: tensor<2xf32>) -> tensor<3xf32> {
  %none = onnx.NoValue() : () -> none
  %c = onnx.Concat(%a, %a) {axis = 0 : i64} : (tensor<2xf32>, tensor<2xf32>) -> tensor<4xf32>
  %s:2 = onnx.Split(%c, %none) {axis = 0 : i64} : (tensor<4xf32>, none) -> (tensor<1xf32>, tensor<3xf32>)
  return %s#1 : tensor<3xf32>
}

// CHECK-LABEL: func.func @regions
// CHECK: onnx.If(%{{.*}}) attributes {note = "kept"} () {
// CHECK: }, () {
// CHECK: onnx.Loop(%{{.*}}, %{{.*}}, %{{.*}}) (%{{.*}}: tensor<i64>, %{{.*}}: tensor<i1>, %{{.*}}: tensor<f32>) {
func.func @regions(%n: tensor<i64>, %c: tensor<i1>, %x: tensor<f32>) -> (tensor<f32>, tensor<f32>) {
  %y = onnx.If(%c) attributes {note = "kept"} () {
    onnx.Yield(%x) : (tensor<f32>) -> ()
  }, () {
    %z = onnx.Neg(%x) : (tensor<f32>) -> tensor<f32>
    onnx.Yield(%z) : (tensor<f32>) -> ()
  } : (tensor<i1>) -> tensor<f32>
  %l = onnx.Loop(%n, %c, %x) (%i: tensor<i64>, %go: tensor<i1>, %a: tensor<f32>) {
    %s = onnx.Add(%a, %x) : (tensor<f32>, tensor<f32>) -> tensor<f32>
    onnx.Yield(%go, %s) : (tensor<i1>, tensor<f32>) -> ()
  } : (tensor<i64>, tensor<i1>, tensor<f32>) -> tensor<f32>
  return %y, %l : tensor<f32>, tensor<f32>
}

// CHECK-LABEL: func.func @custom
// CHECK: onnx.Custom(%{{.*}}) attributes {domain = "d", op_type = "None"} : (tensor<f32>) -> tensor<*x!onnx.unknown>
// CHECK: onnx.Custom(%{{.*}}) attributes {domain = "d", graphs = ["body"], op_type = "One"} () {
func.func @custom(%x: tensor<f32>) {
  %0 = onnx.Custom(%x) attributes {domain = "d", op_type = "None"} : (tensor<f32>) -> tensor<*x!onnx.unknown>
  %1 = onnx.Custom(%x) attributes {domain = "d", graphs = ["body"], op_type = "One"} () {
    onnx.Yield(%x) : (tensor<f32>) -> ()
  } : (tensor<f32>) -> tensor<*x!onnx.unknown>
  return
}

// CHECK-LABEL: func.func private @types
// CHECK-SAME: tensor<2x!onnx.string>, !onnx.seq<tensor<*xf32>>, !onnx.opt<!onnx.seq<tensor<1xui4>>>, !onnx.map<i64, tensor<f32>>
func.func private @types(tensor<2x!onnx.string>, !onnx.seq<tensor<*xf32>>, !onnx.opt<!onnx.seq<tensor<1xui4>>>, !onnx.map<i64, tensor<f32>>)
