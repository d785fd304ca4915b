// RUN: ac-opt %s --ac-raise-stacked-rows --verify-diagnostics --split-input-file

func.func @found(%x: tensor<?x8xf32>, %y: tensor<?x4xf32>, %w0: tensor<8x4xf32>, %w1: tensor<8x4xf32>, %on: tensor<?x2x1xi1>) -> tensor<?x4xf32> {
  %axis = "onnx.Constant"() {value = dense<-2> : tensor<1xi64>} : () -> tensor<1xi64>
  %0 = "onnx.MatMul"(%x, %w0) : (tensor<?x8xf32>, tensor<8x4xf32>) -> tensor<?x4xf32>
  %1 = "onnx.MatMul"(%x, %w1) : (tensor<?x8xf32>, tensor<8x4xf32>) -> tensor<?x4xf32>
  %2 = "onnx.Unsqueeze"(%0, %axis) : (tensor<?x4xf32>, tensor<1xi64>) -> tensor<?x1x4xf32>
  %3 = "onnx.Unsqueeze"(%1, %axis) : (tensor<?x4xf32>, tensor<1xi64>) -> tensor<?x1x4xf32>
  %4 = "onnx.Concat"(%2, %3) {axis = -2 : i64} : (tensor<?x1x4xf32>, tensor<?x1x4xf32>) -> tensor<?x2x4xf32>
  %m = "onnx.Cast"(%on) {to = 1 : i64} : (tensor<?x2x1xi1>) -> tensor<?x2x1xf32>
  %5 = "onnx.Mul"(%4, %m) : (tensor<?x2x4xf32>, tensor<?x2x1xf32>) -> tensor<?x2x4xf32>
  // expected-remark @+1 {{became a sum of 2 masked terms}}
  %6 = "onnx.ReduceSum"(%5, %axis) {keepdims = 0 : i64} : (tensor<?x2x4xf32>, tensor<1xi64>) -> tensor<?x4xf32>
  return %6 : tensor<?x4xf32>
}

// -----

func.func @soft_mask(%x: tensor<?x8xf32>, %y: tensor<?x4xf32>, %w0: tensor<8x4xf32>, %w1: tensor<8x4xf32>, %on: tensor<?x2x1xf32>) -> tensor<?x4xf32> {
  %axis = "onnx.Constant"() {value = dense<-2> : tensor<1xi64>} : () -> tensor<1xi64>
  %0 = "onnx.MatMul"(%x, %w0) : (tensor<?x8xf32>, tensor<8x4xf32>) -> tensor<?x4xf32>
  %1 = "onnx.MatMul"(%x, %w1) : (tensor<?x8xf32>, tensor<8x4xf32>) -> tensor<?x4xf32>
  %2 = "onnx.Unsqueeze"(%0, %axis) : (tensor<?x4xf32>, tensor<1xi64>) -> tensor<?x1x4xf32>
  %3 = "onnx.Unsqueeze"(%1, %axis) : (tensor<?x4xf32>, tensor<1xi64>) -> tensor<?x1x4xf32>
  %4 = "onnx.Concat"(%2, %3) {axis = -2 : i64} : (tensor<?x1x4xf32>, tensor<?x1x4xf32>) -> tensor<?x2x4xf32>
  %m = "onnx.Sigmoid"(%on) : (tensor<?x2x1xf32>) -> tensor<?x2x1xf32>
  %5 = "onnx.Mul"(%4, %m) : (tensor<?x2x4xf32>, tensor<?x2x1xf32>) -> tensor<?x2x4xf32>
  // expected-remark @+1 {{stack of rows not taken apart: the mask is never exactly zero}}
  %6 = "onnx.ReduceSum"(%5, %axis) {keepdims = 0 : i64} : (tensor<?x2x4xf32>, tensor<1xi64>) -> tensor<?x4xf32>
  return %6 : tensor<?x4xf32>
}

// -----

func.func @stack_with_another_user(%x: tensor<?x8xf32>, %y: tensor<?x4xf32>, %w0: tensor<8x4xf32>, %w1: tensor<8x4xf32>, %on: tensor<?x2x1xi1>) -> (tensor<?x4xf32>, tensor<?x2x4xf32>) {
  %axis = "onnx.Constant"() {value = dense<-2> : tensor<1xi64>} : () -> tensor<1xi64>
  %0 = "onnx.MatMul"(%x, %w0) : (tensor<?x8xf32>, tensor<8x4xf32>) -> tensor<?x4xf32>
  %1 = "onnx.MatMul"(%x, %w1) : (tensor<?x8xf32>, tensor<8x4xf32>) -> tensor<?x4xf32>
  %2 = "onnx.Unsqueeze"(%0, %axis) : (tensor<?x4xf32>, tensor<1xi64>) -> tensor<?x1x4xf32>
  %3 = "onnx.Unsqueeze"(%1, %axis) : (tensor<?x4xf32>, tensor<1xi64>) -> tensor<?x1x4xf32>
  %4 = "onnx.Concat"(%2, %3) {axis = -2 : i64} : (tensor<?x1x4xf32>, tensor<?x1x4xf32>) -> tensor<?x2x4xf32>
  %m = "onnx.Cast"(%on) {to = 1 : i64} : (tensor<?x2x1xi1>) -> tensor<?x2x1xf32>
  %5 = "onnx.Mul"(%4, %m) : (tensor<?x2x4xf32>, tensor<?x2x1xf32>) -> tensor<?x2x4xf32>
  // expected-remark @+1 {{stack of rows not taken apart: the stack has other users}}
  %6 = "onnx.ReduceSum"(%5, %axis) {keepdims = 0 : i64} : (tensor<?x2x4xf32>, tensor<1xi64>) -> tensor<?x4xf32>
  return %6, %4 : tensor<?x4xf32>, tensor<?x2x4xf32>
}

// -----

func.func @learner_with_another_user(%x: tensor<?x8xf32>, %y: tensor<?x4xf32>, %w0: tensor<8x4xf32>, %w1: tensor<8x4xf32>, %on: tensor<?x2x1xi1>) -> (tensor<?x4xf32>, tensor<?x4xf32>) {
  %axis = "onnx.Constant"() {value = dense<-2> : tensor<1xi64>} : () -> tensor<1xi64>
  %0 = "onnx.MatMul"(%x, %w0) : (tensor<?x8xf32>, tensor<8x4xf32>) -> tensor<?x4xf32>
  %1 = "onnx.MatMul"(%x, %w1) : (tensor<?x8xf32>, tensor<8x4xf32>) -> tensor<?x4xf32>
  %2 = "onnx.Unsqueeze"(%0, %axis) : (tensor<?x4xf32>, tensor<1xi64>) -> tensor<?x1x4xf32>
  %3 = "onnx.Unsqueeze"(%1, %axis) : (tensor<?x4xf32>, tensor<1xi64>) -> tensor<?x1x4xf32>
  %4 = "onnx.Concat"(%2, %3) {axis = -2 : i64} : (tensor<?x1x4xf32>, tensor<?x1x4xf32>) -> tensor<?x2x4xf32>
  %m = "onnx.Cast"(%on) {to = 1 : i64} : (tensor<?x2x1xi1>) -> tensor<?x2x1xf32>
  %5 = "onnx.Mul"(%4, %m) : (tensor<?x2x4xf32>, tensor<?x2x1xf32>) -> tensor<?x2x4xf32>
  // expected-remark @+1 {{stack of rows not taken apart: what is stacked has other users}}
  %6 = "onnx.ReduceSum"(%5, %axis) {keepdims = 0 : i64} : (tensor<?x2x4xf32>, tensor<1xi64>) -> tensor<?x4xf32>
  return %6, %0 : tensor<?x4xf32>, tensor<?x4xf32>
}

// -----

func.func @nothing_to_skip(%x: tensor<?x8xf32>, %y: tensor<?x4xf32>, %w0: tensor<8x4xf32>, %w1: tensor<8x4xf32>, %on: tensor<?x2x1xi1>) -> tensor<?x4xf32> {
  %axis = "onnx.Constant"() {value = dense<-2> : tensor<1xi64>} : () -> tensor<1xi64>
  %0 = "onnx.Relu"(%y) : (tensor<?x4xf32>) -> tensor<?x4xf32>
  %1 = "onnx.Relu"(%y) : (tensor<?x4xf32>) -> tensor<?x4xf32>
  %2 = "onnx.Unsqueeze"(%0, %axis) : (tensor<?x4xf32>, tensor<1xi64>) -> tensor<?x1x4xf32>
  %3 = "onnx.Unsqueeze"(%1, %axis) : (tensor<?x4xf32>, tensor<1xi64>) -> tensor<?x1x4xf32>
  %4 = "onnx.Concat"(%2, %3) {axis = -2 : i64} : (tensor<?x1x4xf32>, tensor<?x1x4xf32>) -> tensor<?x2x4xf32>
  %m = "onnx.Cast"(%on) {to = 1 : i64} : (tensor<?x2x1xi1>) -> tensor<?x2x1xf32>
  %5 = "onnx.Mul"(%4, %m) : (tensor<?x2x4xf32>, tensor<?x2x1xf32>) -> tensor<?x2x4xf32>
  // expected-remark @+1 {{stack of rows not taken apart: no matrix product is in the stack}}
  %6 = "onnx.ReduceSum"(%5, %axis) {keepdims = 0 : i64} : (tensor<?x2x4xf32>, tensor<1xi64>) -> tensor<?x4xf32>
  return %6 : tensor<?x4xf32>
}

// -----

func.func @mask_of_elements(%x: tensor<?x8xf32>, %y: tensor<?x4xf32>, %w0: tensor<8x4xf32>, %w1: tensor<8x4xf32>, %on: tensor<?x2x4xi1>) -> tensor<?x4xf32> {
  %axis = "onnx.Constant"() {value = dense<-2> : tensor<1xi64>} : () -> tensor<1xi64>
  %0 = "onnx.MatMul"(%x, %w0) : (tensor<?x8xf32>, tensor<8x4xf32>) -> tensor<?x4xf32>
  %1 = "onnx.MatMul"(%x, %w1) : (tensor<?x8xf32>, tensor<8x4xf32>) -> tensor<?x4xf32>
  %2 = "onnx.Unsqueeze"(%0, %axis) : (tensor<?x4xf32>, tensor<1xi64>) -> tensor<?x1x4xf32>
  %3 = "onnx.Unsqueeze"(%1, %axis) : (tensor<?x4xf32>, tensor<1xi64>) -> tensor<?x1x4xf32>
  %4 = "onnx.Concat"(%2, %3) {axis = -2 : i64} : (tensor<?x1x4xf32>, tensor<?x1x4xf32>) -> tensor<?x2x4xf32>
  %m = "onnx.Cast"(%on) {to = 1 : i64} : (tensor<?x2x4xi1>) -> tensor<?x2x4xf32>
  %5 = "onnx.Mul"(%4, %m) : (tensor<?x2x4xf32>, tensor<?x2x4xf32>) -> tensor<?x2x4xf32>
  // expected-remark @+1 {{stack of rows not taken apart: the mask does not have one value for each row and each of what is stacked}}
  %6 = "onnx.ReduceSum"(%5, %axis) {keepdims = 0 : i64} : (tensor<?x2x4xf32>, tensor<1xi64>) -> tensor<?x4xf32>
  return %6 : tensor<?x4xf32>
}

// -----

func.func @taken_elsewhere(%x: tensor<?x8xf32>, %y: tensor<?x4xf32>, %w0: tensor<8x4xf32>, %w1: tensor<8x4xf32>, %on: tensor<?x2x1xi1>) -> tensor<?x4xf32> {
  %axis = "onnx.Constant"() {value = dense<-2> : tensor<1xi64>} : () -> tensor<1xi64>
  %0 = "onnx.MatMul"(%x, %w0) : (tensor<?x8xf32>, tensor<8x4xf32>) -> tensor<?x4xf32>
  %1 = "onnx.MatMul"(%x, %w1) : (tensor<?x8xf32>, tensor<8x4xf32>) -> tensor<?x4xf32>
  %2 = "onnx.Unsqueeze"(%0, %axis) : (tensor<?x4xf32>, tensor<1xi64>) -> tensor<?x1x4xf32>
  %3 = "onnx.Unsqueeze"(%1, %axis) : (tensor<?x4xf32>, tensor<1xi64>) -> tensor<?x1x4xf32>
  %4 = "onnx.Concat"(%2, %3) {axis = -2 : i64} : (tensor<?x1x4xf32>, tensor<?x1x4xf32>) -> tensor<?x2x4xf32>
  %m = "onnx.Constant"() {value = dense<1.0> : tensor<f32>} : () -> tensor<f32>
  %5 = "onnx.Where"(%on, %4, %m) : (tensor<?x2x1xi1>, tensor<?x2x4xf32>, tensor<f32>) -> tensor<?x2x4xf32>
  // expected-remark @+1 {{stack of rows not taken apart: what is taken elsewhere is not the constant zero}}
  %6 = "onnx.ReduceSum"(%5, %axis) {keepdims = 0 : i64} : (tensor<?x2x4xf32>, tensor<1xi64>) -> tensor<?x4xf32>
  return %6 : tensor<?x4xf32>
}
