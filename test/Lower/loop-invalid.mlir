// RUN: ac-opt %s --ac-lower --verify-diagnostics

func.func @rank_changes(%m: tensor<i64>, %x: tensor<4xf32>) -> tensor<*xf32> {
  %true = "onnx.Constant"() {value = dense<true> : tensor<i1>} : () -> tensor<i1>
  %axes = "onnx.Constant"() {value = dense<0> : tensor<1xi64>} : () -> tensor<1xi64>
  // expected-error @below {{carried value 0 begins as tensor<4xf32> and the body makes it tensor<1x4xf32>}}
  %r = "onnx.Loop"(%m, %true, %x) ({
  ^bb0(%i: tensor<i64>, %c: tensor<i1>, %v: tensor<*xf32>):
    %n = "onnx.Unsqueeze"(%v, %axes) : (tensor<*xf32>, tensor<1xi64>) -> tensor<*xf32>
    "onnx.Yield"(%c, %n) : (tensor<i1>, tensor<*xf32>) -> ()
  }) : (tensor<i64>, tensor<i1>, tensor<4xf32>) -> tensor<*xf32>
  return %r : tensor<*xf32>
}
