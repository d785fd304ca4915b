// RUN: ac-opt %s --ac-raise-grouped-rows 2>&1 | FileCheck %s
// What is not proven is left alone: groups that end elsewhere, bins that miss an expert, an order that is no sort of all
// choices, rows that are not those of the choices, something along rows between the products.
// RUN: sed 's/exclusive = 0/exclusive = 1/' %s | ac-opt --ac-raise-grouped-rows 2>&1 | FileCheck %s --check-prefix=GROUPS
// RUN: sed 's/dense<0.75>/dense<1.5>/' %s | ac-opt --ac-raise-grouped-rows 2>&1 | FileCheck %s --check-prefix=GROUPS
// RUN: sed 's/largest = 0/largest = 1/' %s | ac-opt --ac-raise-grouped-rows 2>&1 | FileCheck %s --check-prefix=ORDER
// RUN: sed 's/onnx.Div(.order, .two)/onnx.Div(%order, %one)/' %s | ac-opt --ac-raise-grouped-rows 2>&1 | FileCheck %s --check-prefix=ROWS
// RUN: sed 's/onnx.Relu(.up)/onnx.CumSum(%up, %zero)/; s/(tensor<?x6xf32>) -> tensor<?x6xf32> loc("act")/(tensor<?x6xf32>, tensor<i64>) -> tensor<?x6xf32> loc("act")/' %s | ac-opt --ac-raise-grouped-rows 2>&1 | FileCheck %s --check-prefix=ALONG

// CHECK: remark: {{.*}}became ac.moe_dispatch of 3 experts
// CHECK-LABEL: func @grouped
// CHECK: %{{.*}}, %[[IDS:.*]] = onnx.TopK
// CHECK: %[[CHOSEN:.*]] = onnx.Equal(%{{.*}}, %{{.*}}) : (tensor<?x2x1xi64>, tensor<3xi64>) -> tensor<?x2x3xi1>
// CHECK: %[[EACH:.*]] = onnx.Where(%[[CHOSEN]], %{{.*}}, %{{.*}})
// CHECK: %[[W:.*]] = onnx.ReduceSum(%[[EACH]], %{{.*}})
// CHECK: ac.moe_dispatch %[[W]] : tensor<?x3xf32> rows(%arg0 : tensor<?x4xf32>) expert {
// CHECK-NEXT: ^bb0(%[[ROW:.*]]: tensor<?x4xf32>):
// CHECK-NEXT: %[[UP:.*]] = onnx.MatMul(%[[ROW]], %arg2)
// CHECK-NEXT: %[[ACT:.*]] = onnx.Relu(%[[UP]])
// CHECK-NEXT: %[[DOWN:.*]] = onnx.MatMul(%[[ACT]], %{{.*}})
// CHECK-NEXT: ac.yield %[[DOWN]]
// CHECK-NOT: onnx.ScatterND

// GROUPS: remark: {{.*}}grouped rows not raised: node 'down' (Concat) is no product of each expert's rows
// GROUPS-NOT: ac.moe_dispatch
// ORDER: remark: {{.*}}grouped rows not raised: node 'sort' (TopK) does not sort all choices by expert
// ORDER-NOT: ac.moe_dispatch
// ROWS: remark: {{.*}}grouped rows not raised: node 'pick' (GatherND) does not treat rows independently
// ROWS-NOT: ac.moe_dispatch
// ALONG: remark: {{.*}}grouped rows not raised: node 'act' (CumSum) does not treat rows independently
// ALONG-NOT: ac.moe_dispatch
func.func @grouped(%x: tensor<?x4xf32>, %scores: tensor<?x3xf32>, %a0: tensor<4x6xf32>, %a1: tensor<4x6xf32>,
                   %a2: tensor<4x6xf32>, %b0: tensor<6x4xf32>, %b1: tensor<6x4xf32>, %b2: tensor<6x4xf32>) -> tensor<?x4xf32> {
  %none = onnx.NoValue() : () -> none
  %zero = onnx.Constant() {value = dense<0> : tensor<i64>} : () -> tensor<i64>
  %one = onnx.Constant() {value = dense<1> : tensor<i64>} : () -> tensor<i64>
  %two = onnx.Constant() {value = dense<2> : tensor<i64>} : () -> tensor<i64>
  %k = onnx.Constant() {value = dense<2> : tensor<1xi64>} : () -> tensor<1xi64>
  %first = onnx.Constant() {value = dense<0> : tensor<1xi64>} : () -> tensor<1xi64>
  %second = onnx.Constant() {value = dense<1> : tensor<1xi64>} : () -> tensor<1xi64>
  %list = onnx.Constant() {value = dense<-1> : tensor<1xi64>} : () -> tensor<1xi64>
  %apart = onnx.Constant() {value = dense<[-1, 2, 4]> : tensor<3xi64>} : () -> tensor<3xi64>
  %width = onnx.Constant() {value = dense<0.75> : tensor<f32>} : () -> tensor<f32>
  %unit = onnx.Constant() {value = dense<1.0> : tensor<f32>} : () -> tensor<f32>
  %nothing = onnx.Constant() {value = dense<0.0> : tensor<3xf32>} : () -> tensor<3xf32>
  %share, %ids = onnx.TopK(%scores, %k) {axis = -1 : i64, largest = 1 : i64, sorted = 1 : i64} : (tensor<?x3xf32>, tensor<1xi64>) -> (tensor<?x2xf32>, tensor<?x2xi64>)
  %flat = onnx.Reshape(%ids, %list) : (tensor<?x2xi64>, tensor<1xi64>) -> tensor<?xi64>
  %length = onnx.Shape(%flat) : (tensor<?xi64>) -> tensor<1xi64>
  %experts, %order = onnx.TopK(%flat, %length) {axis = -1 : i64, largest = 0 : i64, sorted = 1 : i64} : (tensor<?xi64>, tensor<1xi64>) -> (tensor<?xi64>, tensor<?xi64>) loc("sort")
  %row = onnx.Div(%order, %two) : (tensor<?xi64>, tensor<i64>) -> tensor<?xi64>
  %at = onnx.Unsqueeze(%row, %second) : (tensor<?xi64>, tensor<1xi64>) -> tensor<?x1xi64>
  %rows = onnx.GatherND(%x, %at) {batch_dims = 0 : i64} : (tensor<?x4xf32>, tensor<?x1xi64>) -> tensor<?x4xf32> loc("pick")
  %float = onnx.Cast(%experts) {to = 1 : i64} : (tensor<?xi64>) -> tensor<?xf32>
  %scaled = onnx.Div(%float, %width) : (tensor<?xf32>, tensor<f32>) -> tensor<?xf32>
  %bins = onnx.Cast(%scaled) {to = 7 : i64} : (tensor<?xf32>) -> tensor<?xi64>
  %bin = onnx.Clip(%bins, %zero, %two) : (tensor<?xi64>, tensor<i64>, tensor<i64>) -> tensor<?xi64>
  %binned = onnx.Shape(%bin) : (tensor<?xi64>) -> tensor<1xi64>
  %ones = onnx.Expand(%unit, %binned) : (tensor<f32>, tensor<1xi64>) -> tensor<?xf32>
  %counts = onnx.ScatterElements(%nothing, %bin, %ones) {axis = 0 : i64, reduction = "add"} : (tensor<3xf32>, tensor<?xi64>, tensor<?xf32>) -> tensor<3xf32>
  %count = onnx.Cast(%counts) {to = 7 : i64} : (tensor<3xf32>) -> tensor<3xi64>
  %ends = onnx.CumSum(%count, %zero) {exclusive = 0 : i64, reverse = 0 : i64} : (tensor<3xi64>, tensor<i64>) -> tensor<3xi64>
  %e0 = onnx.Gather(%ends, %zero) {axis = 0 : i64} : (tensor<3xi64>, tensor<i64>) -> tensor<i64>
  %e1 = onnx.Gather(%ends, %one) {axis = 0 : i64} : (tensor<3xi64>, tensor<i64>) -> tensor<i64>
  %e2 = onnx.Gather(%ends, %two) {axis = 0 : i64} : (tensor<3xi64>, tensor<i64>) -> tensor<i64>
  %g0 = onnx.Range(%zero, %e0, %one) : (tensor<i64>, tensor<i64>, tensor<i64>) -> tensor<?xi64>
  %g1 = onnx.Range(%e0, %e1, %one) : (tensor<i64>, tensor<i64>, tensor<i64>) -> tensor<?xi64>
  %g2 = onnx.Range(%e1, %e2, %one) : (tensor<i64>, tensor<i64>, tensor<i64>) -> tensor<?xi64>
  %r0 = onnx.Gather(%rows, %g0) {axis = 0 : i64} : (tensor<?x4xf32>, tensor<?xi64>) -> tensor<?x4xf32>
  %r1 = onnx.Gather(%rows, %g1) {axis = 0 : i64} : (tensor<?x4xf32>, tensor<?xi64>) -> tensor<?x4xf32>
  %r2 = onnx.Gather(%rows, %g2) {axis = 0 : i64} : (tensor<?x4xf32>, tensor<?xi64>) -> tensor<?x4xf32>
  %u0 = onnx.MatMul(%r0, %a0) : (tensor<?x4xf32>, tensor<4x6xf32>) -> tensor<?x6xf32>
  %u1 = onnx.MatMul(%r1, %a1) : (tensor<?x4xf32>, tensor<4x6xf32>) -> tensor<?x6xf32>
  %u2 = onnx.MatMul(%r2, %a2) : (tensor<?x4xf32>, tensor<4x6xf32>) -> tensor<?x6xf32>
  %up = onnx.Concat(%u0, %u1, %u2) {axis = 0 : i64} : (tensor<?x6xf32>, tensor<?x6xf32>, tensor<?x6xf32>) -> tensor<?x6xf32> loc("up")
  %act = onnx.Relu(%up) : (tensor<?x6xf32>) -> tensor<?x6xf32> loc("act")
  %h0 = onnx.Gather(%act, %g0) {axis = 0 : i64} : (tensor<?x6xf32>, tensor<?xi64>) -> tensor<?x6xf32>
  %h1 = onnx.Gather(%act, %g1) {axis = 0 : i64} : (tensor<?x6xf32>, tensor<?xi64>) -> tensor<?x6xf32>
  %h2 = onnx.Gather(%act, %g2) {axis = 0 : i64} : (tensor<?x6xf32>, tensor<?xi64>) -> tensor<?x6xf32>
  %d0 = onnx.MatMul(%h0, %b0) : (tensor<?x6xf32>, tensor<6x4xf32>) -> tensor<?x4xf32>
  %d1 = onnx.MatMul(%h1, %b1) : (tensor<?x6xf32>, tensor<6x4xf32>) -> tensor<?x4xf32>
  %d2 = onnx.MatMul(%h2, %b2) : (tensor<?x6xf32>, tensor<6x4xf32>) -> tensor<?x4xf32>
  %down = onnx.Concat(%d0, %d1, %d2) {axis = 0 : i64} : (tensor<?x4xf32>, tensor<?x4xf32>, tensor<?x4xf32>) -> tensor<?x4xf32> loc("down")
  %shares = onnx.Reshape(%share, %list) : (tensor<?x2xf32>, tensor<1xi64>) -> tensor<?xf32>
  %own = onnx.Gather(%shares, %order) {axis = 0 : i64} : (tensor<?xf32>, tensor<?xi64>) -> tensor<?xf32>
  %scale = onnx.Unsqueeze(%own, %second) : (tensor<?xf32>, tensor<1xi64>) -> tensor<?x1xf32>
  %weighted = onnx.Mul(%down, %scale) : (tensor<?x4xf32>, tensor<?x1xf32>) -> tensor<?x4xf32>
  %empty = onnx.Expand(%zero, %length) : (tensor<i64>, tensor<1xi64>) -> tensor<?xi64>
  %place = onnx.Unsqueeze(%order, %second) : (tensor<?xi64>, tensor<1xi64>) -> tensor<?x1xi64>
  %most = onnx.Squeeze(%length, %first) : (tensor<1xi64>, tensor<1xi64>) -> tensor<i64>
  %numbers = onnx.Range(%zero, %most, %one) : (tensor<i64>, tensor<i64>, tensor<i64>) -> tensor<?xi64>
  %back = onnx.ScatterND(%empty, %place, %numbers) : (tensor<?xi64>, tensor<?x1xi64>, tensor<?xi64>) -> tensor<?xi64>
  %inverse = onnx.Unsqueeze(%back, %second) : (tensor<?xi64>, tensor<1xi64>) -> tensor<?x1xi64>
  %sorted = onnx.GatherND(%weighted, %inverse) {batch_dims = 0 : i64} : (tensor<?x4xf32>, tensor<?x1xi64>) -> tensor<?x4xf32>
  %each = onnx.Reshape(%sorted, %apart) : (tensor<?x4xf32>, tensor<3xi64>) -> tensor<?x2x4xf32>
  %y = onnx.ReduceSum(%each, %second) {keepdims = 0 : i64} : (tensor<?x2x4xf32>, tensor<1xi64>) -> tensor<?x4xf32> loc("sum")
  return %y : tensor<?x4xf32>
}
