// Two learners under masks, and a mask over something that mixes rows.
module attributes {onnx.ir_version = 10 : i64, onnx.opset = {ai.onnx = 20 : i64}} {
  func.func @main(%x: tensor<?x4xf32> {onnx.name = "x"}, %k: tensor<?x1xi64> {onnx.name = "k"},
                  %a: tensor<4x4xf32> {onnx.name = "a"}, %b: tensor<4x4xf32> {onnx.name = "b"})
      -> (tensor<?x4xf32> {onnx.name = "y"}, tensor<?x4xf32> {onnx.name = "z"}) {
    %zero = onnx.Constant() {value = dense<0> : tensor<i64>} : () -> tensor<i64>
    %one = onnx.Constant() {value = dense<1> : tensor<i64>} : () -> tensor<i64>
    %m0 = onnx.Greater(%k, %zero) : (tensor<?x1xi64>, tensor<i64>) -> tensor<?x1xi1>
    %m1 = onnx.Greater(%k, %one) : (tensor<?x1xi64>, tensor<i64>) -> tensor<?x1xi1>
    %f0 = onnx.Cast(%m0) {to = 1 : i64} : (tensor<?x1xi1>) -> tensor<?x1xf32>
    %f1 = onnx.Cast(%m1) {to = 1 : i64} : (tensor<?x1xi1>) -> tensor<?x1xf32>
    %0 = onnx.MatMul(%x, %a) : (tensor<?x4xf32>, tensor<4x4xf32>) -> tensor<?x4xf32>
    %1 = onnx.MatMul(%x, %b) : (tensor<?x4xf32>, tensor<4x4xf32>) -> tensor<?x4xf32>
    %t0 = onnx.Mul(%0, %f0) : (tensor<?x4xf32>, tensor<?x1xf32>) -> tensor<?x4xf32>
    %t1 = onnx.Mul(%1, %f1) : (tensor<?x4xf32>, tensor<?x1xf32>) -> tensor<?x4xf32>
    %y = onnx.Add(%t0, %t1) : (tensor<?x4xf32>, tensor<?x4xf32>) -> tensor<?x4xf32> loc("sum")
    %sums = onnx.CumSum(%x, %zero) : (tensor<?x4xf32>, tensor<i64>) -> tensor<?x4xf32> loc("sums")
    %z = onnx.Mul(%sums, %f0) : (tensor<?x4xf32>, tensor<?x1xf32>) -> tensor<?x4xf32> loc("mixed")
    return %y, %z : tensor<?x4xf32>, tensor<?x4xf32>
  }
}
