// RUN: sed -n '/^\/\/ BEGIN/,$p' %s > %t
// RUN: ac-opt %t --ac-raise-expert-slots 2>&1 | FileCheck %s --check-prefix=FOUND
// Two rows could have one place: what is counted is reversed, is not the mask, starts below zero.
// RUN: sed 's/reverse = 0/reverse = 1/' %t | ac-opt --ac-raise-expert-slots 2>&1 | FileCheck %s --check-prefix=PLACE
// RUN: sed 's/onnx.CumSum(%hot,/onnx.CumSum(%other,/' %t | ac-opt --ac-raise-expert-slots 2>&1 | FileCheck %s --check-prefix=PLACE
// RUN: sed 's/dense<-1>/dense<-2>/' %t | ac-opt --ac-raise-expert-slots 2>&1 | FileCheck %s --check-prefix=NEGATIVE
// The second choice of a row must stand behind all first ones.
// RUN: sed 's/onnx.Add(%last2, %behind)/onnx.Add(%last2, %minus)/; s/(tensor<?x3xi64>, tensor<1x3xi64>) -> tensor<?x3xi64> loc("at2")/(tensor<?x3xi64>, tensor<i64>) -> tensor<?x3xi64> loc("at2")/; s/dense<-1>/dense<0>/' %t | ac-opt --ac-raise-expert-slots 2>&1 | FileCheck %s --check-prefix=BEHIND
// What is combined must have been dispatched, and rows not be scaled on the way.
// RUN: sed 's/onnx.Einsum(%both, %x)/onnx.Einsum(%first, %x)/' %t | ac-opt --ac-raise-expert-slots 2>&1 | FileCheck %s --check-prefix=GIVEN
// RUN: sed 's/onnx.Einsum(%both, %x)/onnx.Einsum(%combine, %x)/' %t | ac-opt --ac-raise-expert-slots 2>&1 | FileCheck %s --check-prefix=SCALES
// Answers must not depend on the place.
// RUN: sed 's/onnx.Relu(%up)/onnx.Mul(%up, %bias)/; s/(tensor<3x2x8xf32>) -> tensor<3x2x8xf32> loc("act")/(tensor<3x2x8xf32>, tensor<2x1xf32>) -> tensor<3x2x8xf32> loc("act")/' %t | ac-opt --ac-raise-expert-slots 2>&1 | FileCheck %s --check-prefix=DEPENDS

// FOUND: remark: {{.*}}became ac.moe_dispatch of 3 experts
// FOUND: ac.moe_dispatch
// PLACE: experts with a capacity not raised: node {{.*}} does not count the rows that chose the same expert before
// PLACE-NOT: ac.moe_dispatch
// NEGATIVE: experts with a capacity not raised: node {{.*}} may be below zero
// BEHIND: experts with a capacity not raised: node {{.*}} does not start behind the rows of the choice before
// GIVEN: experts with a capacity not raised: node {{.*}} takes answers to rows that experts were not given
// SCALES: experts with a capacity not raised: {{.*}} scales what experts are given
// DEPENDS: experts with a capacity not raised: {{.*}} depends on the place that a row has with an expert
// DEPENDS-NOT: ac.moe_dispatch

// BEGIN
func.func @two_choices(%x: tensor<?x4xf32>, %ids1: tensor<?xi64>, %ids2: tensor<?xi64>, %other: tensor<?x3xi64>,
                       %gates: tensor<?xf32>, %w: tensor<3x4x8xf32>, %bias: tensor<2x1xf32>) -> tensor<?x8xf32> {
  %count = onnx.Constant() {value = dense<3> : tensor<i64>} : () -> tensor<i64>
  %depth = onnx.Constant() {value = dense<2> : tensor<i64>} : () -> tensor<i64>
  %code = onnx.Constant() {value = dense<[0, 1]> : tensor<2xi64>} : () -> tensor<2xi64>
  %axis = onnx.Constant() {value = dense<0> : tensor<i64>} : () -> tensor<i64>
  %minus = onnx.Constant() {value = dense<-1> : tensor<i64>} : () -> tensor<i64>
  %zero = onnx.Constant() {value = dense<0> : tensor<1xi64>} : () -> tensor<1xi64>
  %one = onnx.Constant() {value = dense<1> : tensor<1xi64>} : () -> tensor<1xi64>
  %two = onnx.Constant() {value = dense<2> : tensor<1xi64>} : () -> tensor<1xi64>
  %hot = onnx.OneHot(%ids1, %count, %code) {axis = -1 : i64} : (tensor<?xi64>, tensor<i64>, tensor<2xi64>) -> tensor<?x3xi64>
  %hot2 = onnx.OneHot(%ids2, %count, %code) {axis = -1 : i64} : (tensor<?xi64>, tensor<i64>, tensor<2xi64>) -> tensor<?x3xi64>
  %sum = onnx.CumSum(%hot, %axis) {exclusive = 0 : i64, reverse = 0 : i64} : (tensor<?x3xi64>, tensor<i64>) -> tensor<?x3xi64>
  %at1 = onnx.Add(%sum, %minus) : (tensor<?x3xi64>, tensor<i64>) -> tensor<?x3xi64>
  %sum2 = onnx.CumSum(%hot2, %axis) : (tensor<?x3xi64>, tensor<i64>) -> tensor<?x3xi64>
  %last2 = onnx.Add(%sum2, %minus) : (tensor<?x3xi64>, tensor<i64>) -> tensor<?x3xi64>
  %behind = onnx.ReduceSum(%hot, %zero) {keepdims = 1 : i64} : (tensor<?x3xi64>, tensor<1xi64>) -> tensor<1x3xi64>
  %at2 = onnx.Add(%last2, %behind) : (tensor<?x3xi64>, tensor<1x3xi64>) -> tensor<?x3xi64> loc("at2")
  %places1 = onnx.OneHot(%at1, %depth, %code) {axis = -1 : i64} : (tensor<?x3xi64>, tensor<i64>, tensor<2xi64>) -> tensor<?x3x2xi64>
  %places2 = onnx.OneHot(%at2, %depth, %code) {axis = -1 : i64} : (tensor<?x3xi64>, tensor<i64>, tensor<2xi64>) -> tensor<?x3x2xi64>
  %hot1.0 = onnx.Unsqueeze(%hot, %two) : (tensor<?x3xi64>, tensor<1xi64>) -> tensor<?x3x1xi64>
  %hot2.0 = onnx.Unsqueeze(%hot2, %two) : (tensor<?x3xi64>, tensor<1xi64>) -> tensor<?x3x1xi64>
  %first.0 = onnx.Mul(%places1, %hot1.0) : (tensor<?x3x2xi64>, tensor<?x3x1xi64>) -> tensor<?x3x2xi64>
  %other.2.0 = onnx.Mul(%places2, %hot2.0) : (tensor<?x3x2xi64>, tensor<?x3x1xi64>) -> tensor<?x3x2xi64>
  %first = onnx.Cast(%first.0) {to = 1 : i64} : (tensor<?x3x2xi64>) -> tensor<?x3x2xf32>
  %other.2 = onnx.Cast(%other.2.0) {to = 1 : i64} : (tensor<?x3x2xi64>) -> tensor<?x3x2xf32>
  %both = onnx.Add(%first, %other.2) : (tensor<?x3x2xf32>, tensor<?x3x2xf32>) -> tensor<?x3x2xf32>
  %gates.0 = onnx.Unsqueeze(%gates, %one) : (tensor<?xf32>, tensor<1xi64>) -> tensor<?x1xf32>
  %gates.1 = onnx.Unsqueeze(%gates.0, %two) : (tensor<?x1xf32>, tensor<1xi64>) -> tensor<?x1x1xf32>
  %combine = onnx.Mul(%both, %gates.1) : (tensor<?x3x2xf32>, tensor<?x1x1xf32>) -> tensor<?x3x2xf32>
  %in = onnx.Einsum(%both, %x) {equation = "sec,sm->ecm"} : (tensor<?x3x2xf32>, tensor<?x4xf32>) -> tensor<3x2x4xf32>
  %up = onnx.MatMul(%in, %w) : (tensor<3x2x4xf32>, tensor<3x4x8xf32>) -> tensor<3x2x8xf32>
  %act = onnx.Relu(%up) : (tensor<3x2x8xf32>) -> tensor<3x2x8xf32> loc("act")
  %y = onnx.Einsum(%combine, %act) {equation = "sec,ecm->sm"} : (tensor<?x3x2xf32>, tensor<3x2x8xf32>) -> tensor<?x8xf32>
  return %y : tensor<?x8xf32>
}
