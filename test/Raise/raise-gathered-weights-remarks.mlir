// RUN: ac-opt %s --ac-raise-gathered-weights --verify-diagnostics --split-input-file

func.func @found(%x: tensor<?x4xf32>, %scores: tensor<?x3xf32>, %up: tensor<3x4x8xf32>) -> tensor<?x8xf32> {
  %k = "onnx.Constant"() {value = dense<2> : tensor<1xi64>} : () -> tensor<1xi64>
  %w, %ids = "onnx.TopK"(%scores, %k) {axis = -1 : i64} : (tensor<?x3xf32>, tensor<1xi64>) -> (tensor<?x2xf32>, tensor<?x2xi64>)
  %u = "onnx.Gather"(%up, %ids) {axis = 0 : i64} : (tensor<3x4x8xf32>, tensor<?x2xi64>) -> tensor<?x2x4x8xf32>
  %0 = "onnx.Einsum"(%x, %u) {equation = "td,tkdf->tkf"} : (tensor<?x4xf32>, tensor<?x2x4x8xf32>) -> tensor<?x2x8xf32>
  // expected-remark @+1 {{became ac.moe_dispatch of 3 experts}}
  %1 = "onnx.Einsum"(%w, %0) {equation = "tk,tkf->tf"} : (tensor<?x2xf32>, tensor<?x2x8xf32>) -> tensor<?x8xf32>
  return %1 : tensor<?x8xf32>
}

// -----

func.func @indices_from_outside(%x: tensor<?x4xf32>, %w: tensor<?x2xf32>, %ids: tensor<?x2xi64>, %up: tensor<3x4x8xf32>) -> tensor<?x8xf32> {
  %u = "onnx.Gather"(%up, %ids) {axis = 0 : i64} : (tensor<3x4x8xf32>, tensor<?x2xi64>) -> tensor<?x2x4x8xf32>
  %0 = "onnx.Einsum"(%x, %u) {equation = "td,tkdf->tkf"} : (tensor<?x4xf32>, tensor<?x2x4x8xf32>) -> tensor<?x2x8xf32>
  // expected-remark @+1 {{gathered weights not raised: what picks experts is made by no TopK or ArgMax, nor looked up in a table of experts}}
  %1 = "onnx.Einsum"(%w, %0) {equation = "tk,tkf->tf"} : (tensor<?x2xf32>, tensor<?x2x8xf32>) -> tensor<?x8xf32>
  return %1 : tensor<?x8xf32>
}

// -----

func.func @answers_with_another_user(%x: tensor<?x4xf32>, %scores: tensor<?x3xf32>, %up: tensor<3x4x8xf32>) -> (tensor<?x8xf32>, tensor<?x2x8xf32>) {
  %k = "onnx.Constant"() {value = dense<2> : tensor<1xi64>} : () -> tensor<1xi64>
  %w, %ids = "onnx.TopK"(%scores, %k) {axis = -1 : i64} : (tensor<?x3xf32>, tensor<1xi64>) -> (tensor<?x2xf32>, tensor<?x2xi64>)
  %u = "onnx.Gather"(%up, %ids) {axis = 0 : i64} : (tensor<3x4x8xf32>, tensor<?x2xi64>) -> tensor<?x2x4x8xf32>
  %0 = "onnx.Einsum"(%x, %u) {equation = "td,tkdf->tkf"} : (tensor<?x4xf32>, tensor<?x2x4x8xf32>) -> tensor<?x2x8xf32>
  // expected-remark @+1 {{gathered weights not raised: node '?' (Einsum) has users outside, such as}}
  %1 = "onnx.Einsum"(%w, %0) {equation = "tk,tkf->tf"} : (tensor<?x2xf32>, tensor<?x2x8xf32>) -> tensor<?x8xf32>
  return %1, %0 : tensor<?x8xf32>, tensor<?x2x8xf32>
}

// -----

// Rows that are scaled for each choice before the product are not the same rows; but each is one with one choice.
func.func @rows_differ(%x: tensor<?x4xf32>, %scores: tensor<?x3xf32>, %up: tensor<3x4x8xf32>) -> tensor<?x8xf32> {
  %k = "onnx.Constant"() {value = dense<2> : tensor<1xi64>} : () -> tensor<1xi64>
  %one = "onnx.Constant"() {value = dense<1> : tensor<1xi64>} : () -> tensor<1xi64>
  %two = "onnx.Constant"() {value = dense<2> : tensor<1xi64>} : () -> tensor<1xi64>
  %w, %ids = "onnx.TopK"(%scores, %k) {axis = -1 : i64} : (tensor<?x3xf32>, tensor<1xi64>) -> (tensor<?x2xf32>, tensor<?x2xi64>)
  %u = "onnx.Gather"(%up, %ids) {axis = 0 : i64} : (tensor<3x4x8xf32>, tensor<?x2xi64>) -> tensor<?x2x4x8xf32>
  %row = "onnx.Unsqueeze"(%x, %one) : (tensor<?x4xf32>, tensor<1xi64>) -> tensor<?x1x4xf32>
  %scale = "onnx.Unsqueeze"(%w, %two) : (tensor<?x2xf32>, tensor<1xi64>) -> tensor<?x2x1xf32>
  %rows = "onnx.Mul"(%row, %scale) : (tensor<?x1x4xf32>, tensor<?x2x1xf32>) -> tensor<?x2x4xf32>
  // expected-remark @+1 {{became ac.moe_dispatch of 3 experts}}
  %0 = "onnx.Einsum"(%u, %rows) {equation = "tkdf,tkd->tkf"} : (tensor<?x2x4x8xf32>, tensor<?x2x4xf32>) -> tensor<?x2x8xf32>
  // expected-remark @+1 {{gathered weights not raised: node '?' (TopK) does not treat experts independently}}
  %1 = "onnx.ReduceSum"(%0, %one) {keepdims = 0 : i64} : (tensor<?x2x8xf32>, tensor<1xi64>) -> tensor<?x8xf32>
  return %1 : tensor<?x8xf32>
}

// -----

// A table must hold numbers of experts.
func.func @table(%x: tensor<?x4xf32>, %tokens: tensor<?xi64>, %up: tensor<3x4x8xf32>) -> tensor<?x8xf32> {
  %table = "onnx.Constant"() {value = dense<[0, 2, 1, 0]> : tensor<4xi64>} : () -> tensor<4xi64>
  %ids = "onnx.Gather"(%table, %tokens) {axis = 0 : i64} : (tensor<4xi64>, tensor<?xi64>) -> tensor<?xi64>
  %u = "onnx.Gather"(%up, %ids) {axis = 0 : i64} : (tensor<3x4x8xf32>, tensor<?xi64>) -> tensor<?x4x8xf32>
  // expected-remark @+1 {{became ac.moe_dispatch of 3 experts}}
  %0 = "onnx.Einsum"(%x, %u) {equation = "td,tdf->tf"} : (tensor<?x4xf32>, tensor<?x4x8xf32>) -> tensor<?x8xf32>
  return %0 : tensor<?x8xf32>
}

// -----

func.func @table_with_negatives(%x: tensor<?x4xf32>, %tokens: tensor<?xi64>, %up: tensor<3x4x8xf32>) -> tensor<?x8xf32> {
  %table = "onnx.Constant"() {value = dense<[0, 2, -1, 0]> : tensor<4xi64>} : () -> tensor<4xi64>
  %ids = "onnx.Gather"(%table, %tokens) {axis = 0 : i64} : (tensor<4xi64>, tensor<?xi64>) -> tensor<?xi64>
  %u = "onnx.Gather"(%up, %ids) {axis = 0 : i64} : (tensor<3x4x8xf32>, tensor<?xi64>) -> tensor<?x4x8xf32>
  %0 = "onnx.Einsum"(%x, %u) {equation = "td,tdf->tf"} : (tensor<?x4xf32>, tensor<?x4x8xf32>) -> tensor<?x8xf32>
  return %0 : tensor<?x8xf32>
}
