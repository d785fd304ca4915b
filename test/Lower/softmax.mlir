// RUN: ac-opt %s --ac-lower | FileCheck %s

// Softmax is a maximum, a formula, a sum and a formula for each row, and the statistics of rows have no dimension for
// what was reduced.
// CHECK-DAG: #[[$ALL:.*]] = affine_map<(d0, d1, d2) -> (d0, d1, d2)>
// CHECK-DAG: #[[$ROW:.*]] = affine_map<(d0, d1, d2) -> (d0, d1)>
// CHECK-LABEL: func @main
// CHECK: linalg.generic {indexing_maps = [#[[$ALL]], #[[$ROW]]], iterator_types = ["parallel", "parallel", "reduction"]}
// CHECK: arith.maxnumf
// CHECK: linalg.generic {indexing_maps = [#[[$ALL]], #[[$ROW]], #[[$ALL]]]
// CHECK: arith.subf
// CHECK-NEXT: math.exp
// CHECK: linalg.generic {indexing_maps = [#[[$ALL]], #[[$ROW]]], iterator_types = ["parallel", "parallel", "reduction"]}
// CHECK: arith.addf {{.*}} fastmath<reassoc,contract>
// CHECK: arith.divf
// CHECK: linalg.generic {indexing_maps = [#[[$ALL]], #[[$ROW]], #[[$ALL]]]
// CHECK: arith.mulf
module attributes {onnx.opset = {ai.onnx = 21 : i64}} {
  func.func @main(%x: tensor<?x?x?xf32>) -> tensor<?x?x?xf32> {
    %y = "onnx.Softmax"(%x) {axis = -1 : i64} : (tensor<?x?x?xf32>) -> tensor<?x?x?xf32>
    return %y : tensor<?x?x?xf32>
  }
}
