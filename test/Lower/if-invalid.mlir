// RUN: ac-opt %s --ac-lower --verify-diagnostics

func.func @ranks_differ(%c: tensor<i1>, %x: tensor<4xf32>, %y: tensor<1x4xf32>) -> tensor<*xf32> {
  // expected-error @below {{output 0 is tensor<4xf32> from then_branch but tensor<1x4xf32> from else_branch}}
  %r = "onnx.If"(%c) ({
    "onnx.Yield"(%x) : (tensor<4xf32>) -> ()
  }, {
    "onnx.Yield"(%y) : (tensor<1x4xf32>) -> ()
  }) : (tensor<i1>) -> tensor<*xf32>
  return %r : tensor<*xf32>
}
