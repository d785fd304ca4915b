// RUN: ac-opt %s --ac-raise-expert-slots | FileCheck %s

// One choice for each row, counted by an exclusive CumSum; what has no place is dropped. Weights are what is combined,
// without places; rows that were put in places are rows again.
// CHECK-LABEL: func @one_choice
// CHECK: %[[HOT:.*]] = onnx.OneHot
// CHECK: %[[W:.*]] = onnx.Mul({{.*}}) : (tensor<?x3xf32>, tensor<?x1xf32>) -> tensor<?x3xf32>
// CHECK-NEXT: ac.moe_dispatch %[[W]] : tensor<?x3xf32> rows(%arg0 : tensor<?x4xf32>) expert {
// CHECK: onnx.Gather(%arg3, {{.*}}) {axis = 0 : i64} : (tensor<3x4x8xf32>, tensor<i64>) -> tensor<4x8xf32>
// CHECK: onnx.MatMul({{.*}}) : (tensor<?x4xf32>, tensor<4x8xf32>) -> tensor<?x8xf32>
// CHECK: onnx.Relu
// CHECK-COUNT-2: } expert {
// CHECK-NOT: onnx.Einsum
// CHECK: return
func.func @one_choice(%x: tensor<?x4xf32>, %ids: tensor<?xi64>, %gate: tensor<?xf32>, %w: tensor<3x4x8xf32>) -> tensor<?x8xf32> {
  %count = onnx.Constant() {value = dense<3> : tensor<i64>} : () -> tensor<i64>
  %depth = onnx.Constant() {value = dense<2> : tensor<i64>} : () -> tensor<i64>
  %code = onnx.Constant() {value = dense<[0, 1]> : tensor<2xi64>} : () -> tensor<2xi64>
  %axis = onnx.Constant() {value = dense<0> : tensor<i64>} : () -> tensor<i64>
  %one = onnx.Constant() {value = dense<1> : tensor<1xi64>} : () -> tensor<1xi64>
  %two = onnx.Constant() {value = dense<2> : tensor<1xi64>} : () -> tensor<1xi64>
  %most = onnx.Constant() {value = dense<2> : tensor<i64>} : () -> tensor<i64>
  %hot = onnx.OneHot(%ids, %count, %code) {axis = -1 : i64} : (tensor<?xi64>, tensor<i64>, tensor<2xi64>) -> tensor<?x3xi64>
  %before = onnx.CumSum(%hot, %axis) {exclusive = 1 : i64} : (tensor<?x3xi64>, tensor<i64>) -> tensor<?x3xi64>
  %fits = onnx.Less(%before, %most) : (tensor<?x3xi64>, tensor<i64>) -> tensor<?x3xi1>
  %fits.0 = onnx.Cast(%fits) {to = 7 : i64} : (tensor<?x3xi1>) -> tensor<?x3xi64>
  %kept = onnx.Mul(%hot, %fits.0) : (tensor<?x3xi64>, tensor<?x3xi64>) -> tensor<?x3xi64>
  %at = onnx.Mul(%before, %kept) : (tensor<?x3xi64>, tensor<?x3xi64>) -> tensor<?x3xi64>
  %place = onnx.ReduceSum(%at, %one) {keepdims = 0 : i64} : (tensor<?x3xi64>, tensor<1xi64>) -> tensor<?xi64>
  %places = onnx.OneHot(%place, %depth, %code) {axis = -1 : i64} : (tensor<?xi64>, tensor<i64>, tensor<2xi64>) -> tensor<?x2xi64>
  %places.0 = onnx.Cast(%places) {to = 1 : i64} : (tensor<?x2xi64>) -> tensor<?x2xf32>
  %kept.0 = onnx.Cast(%kept) {to = 1 : i64} : (tensor<?x3xi64>) -> tensor<?x3xf32>
  %scaled = onnx.Einsum(%gate, %kept.0) {equation = "s,se->se"} : (tensor<?xf32>, tensor<?x3xf32>) -> tensor<?x3xf32>
  %combine = onnx.Einsum(%scaled, %places.0) {equation = "se,sc->sec"} : (tensor<?x3xf32>, tensor<?x2xf32>) -> tensor<?x3x2xf32>
  %flags = onnx.Cast(%combine) {to = 9 : i64} : (tensor<?x3x2xf32>) -> tensor<?x3x2xi1>
  %dispatch = onnx.Cast(%flags) {to = 1 : i64} : (tensor<?x3x2xi1>) -> tensor<?x3x2xf32>
  %in = onnx.Einsum(%dispatch, %x) {equation = "sec,sm->ecm"} : (tensor<?x3x2xf32>, tensor<?x4xf32>) -> tensor<3x2x4xf32>
  %up = onnx.MatMul(%in, %w) : (tensor<3x2x4xf32>, tensor<3x4x8xf32>) -> tensor<3x2x8xf32>
  %act = onnx.Relu(%up) : (tensor<3x2x8xf32>) -> tensor<3x2x8xf32>
  %y = onnx.Einsum(%combine, %act) {equation = "sec,ecm->sm"} : (tensor<?x3x2xf32>, tensor<3x2x8xf32>) -> tensor<?x8xf32>
  return %y : tensor<?x8xf32>
}

// Experts choose: places say which row they take.
// CHECK-LABEL: func @experts_choose
// CHECK: %[[W:.*]] = onnx.ReduceSum({{.*}}) {keepdims = 0 : i64} : (tensor<?x3x2xf32>, tensor<1xi64>) -> tensor<?x3xf32>
// CHECK: ac.moe_dispatch %[[W]] : tensor<?x3xf32> rows(%arg0 : tensor<?x4xf32>) expert {
// CHECK-NOT: onnx.Einsum
// CHECK: return
func.func @experts_choose(%x: tensor<?x4xf32>, %ids: tensor<3x2xi64>, %gate: tensor<3x2xf32>, %w: tensor<3x4x8xf32>, %count: tensor<i64>) -> tensor<?x8xf32> {
  %code = onnx.Constant() {value = dense<[0.0, 1.0]> : tensor<2xf32>} : () -> tensor<2xf32>
  %two = onnx.Constant() {value = dense<2> : tensor<1xi64>} : () -> tensor<1xi64>
  %taken = onnx.OneHot(%ids, %count, %code) {axis = -1 : i64} : (tensor<3x2xi64>, tensor<i64>, tensor<2xf32>) -> tensor<3x2x?xf32>
  %in = onnx.Einsum(%taken, %x) {equation = "ecs,sm->ecm"} : (tensor<3x2x?xf32>, tensor<?x4xf32>) -> tensor<3x2x4xf32>
  %up = onnx.MatMul(%in, %w) : (tensor<3x2x4xf32>, tensor<3x4x8xf32>) -> tensor<3x2x8xf32>
  %gate.0 = onnx.Unsqueeze(%gate, %two) : (tensor<3x2xf32>, tensor<1xi64>) -> tensor<3x2x1xf32>
  %combine = onnx.Mul(%taken, %gate.0) : (tensor<3x2x?xf32>, tensor<3x2x1xf32>) -> tensor<3x2x?xf32>
  %y = onnx.Einsum(%combine, %up) {equation = "ecs,ecm->sm"} : (tensor<3x2x?xf32>, tensor<3x2x8xf32>) -> tensor<?x8xf32>
  return %y : tensor<?x8xf32>
}

// Groups of rows have places of their own; rows before are counted in a mask that is padded in front, by paddings as one
// exporter computes them.
// CHECK-LABEL: func @padded_counts
// CHECK: ac.moe_dispatch %{{.*}} : tensor<?x8x3xf32> rows(%arg0 : tensor<?x8x4xf32>) expert {
// CHECK: onnx.MatMul({{.*}}) : (tensor<?x8x4xf32>, tensor<4x8xf32>) -> tensor<?x8x8xf32>
// CHECK-NOT: onnx.Einsum
// CHECK: return
func.func @padded_counts(%x: tensor<?x8x4xf32>, %ids: tensor<?x8xi64>, %gate: tensor<?x8xf32>, %w: tensor<3x4x8xf32>) -> tensor<?x8x8xf32> {
  %none = onnx.NoValue() : () -> none
  %count = onnx.Constant() {value = dense<3> : tensor<i64>} : () -> tensor<i64>
  %code = onnx.Constant() {value = dense<[0, 1]> : tensor<2xi64>} : () -> tensor<2xi64>
  %axis = onnx.Constant() {value = dense<-2> : tensor<i32>} : () -> tensor<i32>
  %zero = onnx.Constant() {value = dense<0> : tensor<1xi64>} : () -> tensor<1xi64>
  %one = onnx.Constant() {value = dense<1> : tensor<1xi64>} : () -> tensor<1xi64>
  %two = onnx.Constant() {value = dense<2> : tensor<1xi64>} : () -> tensor<1xi64>
  %three = onnx.Constant() {value = dense<3> : tensor<1xi64>} : () -> tensor<1xi64>
  %minus = onnx.Constant() {value = dense<-1> : tensor<1xi64>} : () -> tensor<1xi64>
  %least = onnx.Constant() {value = dense<-9223372036854775807> : tensor<1xi64>} : () -> tensor<1xi64>
  %given = onnx.Constant() {value = dense<[0, 0, 1, 0]> : tensor<4xi64>} : () -> tensor<4xi64>
  %pairs = onnx.Constant() {value = dense<[-1, 2]> : tensor<2xi64>} : () -> tensor<2xi64>
  %apart = onnx.Constant() {value = dense<[3, -1, 4]> : tensor<3xi64>} : () -> tensor<3xi64>
  %fill = onnx.ConstantOfShape(%two) {value = dense<0> : tensor<1xi64>} : (tensor<1xi64>) -> tensor<2xi64>
  %p.0 = onnx.Concat(%given, %fill) {axis = 0 : i64} : (tensor<4xi64>, tensor<2xi64>) -> tensor<6xi64>
  %p.1 = onnx.Reshape(%p.0, %pairs) : (tensor<6xi64>, tensor<2xi64>) -> tensor<3x2xi64>
  %p.2 = onnx.Slice(%p.1, %minus, %least, %zero, %minus) : (tensor<3x2xi64>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>) -> tensor<3x2xi64>
  %p.3 = onnx.Transpose(%p.2) {perm = array<i64: 1, 0>} : (tensor<3x2xi64>) -> tensor<2x3xi64>
  %pads = onnx.Reshape(%p.3, %minus) : (tensor<2x3xi64>, tensor<1xi64>) -> tensor<6xi64>
  %hot.0 = onnx.OneHot(%ids, %count, %code) {axis = -1 : i64} : (tensor<?x8xi64>, tensor<i64>, tensor<2xi64>) -> tensor<?x8x3xi64>
  %hot = onnx.Cast(%hot.0) {to = 1 : i64} : (tensor<?x8x3xi64>) -> tensor<?x8x3xf32>
  %padded = onnx.Pad(%hot, %pads, %none, %none) {mode = "constant"} : (tensor<?x8x3xf32>, tensor<6xi64>, none, none) -> tensor<?x?x?xf32>
  %sums = onnx.CumSum(%padded, %axis) : (tensor<?x?x?xf32>, tensor<i32>) -> tensor<?x?x?xf32>
  %before = onnx.Slice(%sums, %zero, %minus, %one, %one) : (tensor<?x?x?xf32>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>) -> tensor<?x?x?xf32>
  %at = onnx.Mul(%before, %hot) : (tensor<?x?x?xf32>, tensor<?x8x3xf32>) -> tensor<?x8x3xf32>
  %flat = onnx.ReduceSum(%at, %two) {keepdims = 0 : i64} : (tensor<?x8x3xf32>, tensor<1xi64>) -> tensor<?x8xf32>
  %place = onnx.Cast(%flat) {to = 7 : i64} : (tensor<?x8xf32>) -> tensor<?x8xi64>
  %top = onnx.ReduceMax(%place, %none) {keepdims = 0 : i64} : (tensor<?x8xi64>, none) -> tensor<i64>
  %depth = onnx.Add(%top, %count) : (tensor<i64>, tensor<i64>) -> tensor<i64>
  %all = onnx.OneHot(%place, %depth, %code) {axis = -1 : i64} : (tensor<?x8xi64>, tensor<i64>, tensor<2xi64>) -> tensor<?x8x?xi64>
  %first = onnx.Slice(%all, %zero, %two, %two, %one) : (tensor<?x8x?xi64>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>) -> tensor<?x8x?xi64>
  %places = onnx.Cast(%first) {to = 1 : i64} : (tensor<?x8x?xi64>) -> tensor<?x8x?xf32>
  %scaled = onnx.Einsum(%gate, %hot) {equation = "bn,bne->bne"} : (tensor<?x8xf32>, tensor<?x8x3xf32>) -> tensor<?x8x3xf32>
  %combine = onnx.Einsum(%scaled, %places) {equation = "bne,bnc->bnec"} : (tensor<?x8x3xf32>, tensor<?x8x?xf32>) -> tensor<?x8x3x?xf32>
  %flags = onnx.Cast(%combine) {to = 9 : i64} : (tensor<?x8x3x?xf32>) -> tensor<?x8x3x?xi1>
  %dispatch = onnx.Cast(%flags) {to = 1 : i64} : (tensor<?x8x3x?xi1>) -> tensor<?x8x3x?xf32>
  %in = onnx.Einsum(%x, %dispatch) {equation = "bnd,bnec->ebcd"} : (tensor<?x8x4xf32>, tensor<?x8x3x?xf32>) -> tensor<3x?x?x4xf32>
  %shape = onnx.Shape(%in) : (tensor<3x?x?x4xf32>) -> tensor<4xi64>
  %rows = onnx.Reshape(%in, %apart) : (tensor<3x?x?x4xf32>, tensor<3xi64>) -> tensor<3x?x4xf32>
  %up = onnx.MatMul(%rows, %w) : (tensor<3x?x4xf32>, tensor<3x4x8xf32>) -> tensor<3x?x8xf32>
  %eight = onnx.Constant() {value = dense<8> : tensor<1xi64>} : () -> tensor<1xi64>
  %lead = onnx.Slice(%shape, %zero, %three, %zero, %one) : (tensor<4xi64>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>) -> tensor<3xi64>
  %target = onnx.Concat(%lead, %eight) {axis = 0 : i64} : (tensor<3xi64>, tensor<1xi64>) -> tensor<4xi64>
  %back = onnx.Reshape(%up, %target) : (tensor<3x?x8xf32>, tensor<4xi64>) -> tensor<3x?x?x8xf32>
  %y = onnx.Einsum(%back, %combine) {equation = "ebcd,bnec->bnd"} : (tensor<3x?x?x8xf32>, tensor<?x8x3x?xf32>) -> tensor<?x8x8xf32>
  return %y : tensor<?x8x8xf32>
}
