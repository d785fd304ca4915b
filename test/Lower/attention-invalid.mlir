// RUN: ac-opt %s --ac-lower --verify-diagnostics

func.func @heads(%q: tensor<2x4x4x8xf32>, %k: tensor<2x3x6x8xf32>, %v: tensor<2x3x6x8xf32>) -> tensor<2x4x4x8xf32> {
  %none = "onnx.NoValue"() : () -> none
  // expected-error @below {{(Attention): 4 query heads cannot share 3 key heads evenly}}
  %y:4 = "onnx.Attention"(%q, %k, %v, %none, %none, %none, %none)
    : (tensor<2x4x4x8xf32>, tensor<2x3x6x8xf32>, tensor<2x3x6x8xf32>, none, none, none, none)
    -> (tensor<2x4x4x8xf32>, none, none, none)
  return %y#0 : tensor<2x4x4x8xf32>
}
