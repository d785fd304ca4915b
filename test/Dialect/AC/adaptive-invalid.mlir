// RUN: ac-opt %s --split-input-file --verify-diagnostics

func.func @budget_c1() {
  // expected-error @below {{(budget_c1) has a result of type 'tensor<2xf32>', expected one element of type f32 or i64}}
  %0 = ac.budget "b" = 0.5 in [0.0, 1.0] : tensor<2xf32>
  return
}

// -----

func.func @budget_c1_element() {
  // expected-error @below {{(budget_c1) has a result of type 'tensor<f64>'}}
  %0 = ac.budget "b" = 0.5 in [0.0, 1.0] : tensor<f64>
  return
}

// -----

func.func @budget_c2() {
  // expected-error @below {{(budget_c2) has the initial value 2.000000e+00 and the range [0.000000e+00, 1.000000e+00], expected a value in the range}}
  %0 = ac.budget "b" = 2.0 in [0.0, 1.0] : tensor<f32>
  return
}

// -----

func.func @budget_c2_nan() {
  // expected-error @below {{(budget_c2) has the initial value 5.000000e-01 and the range [0.000000e+00, nan]}}
  %0 = ac.budget "b" = 0.5 in [0.0, 0x7FF8000000000000] : tensor<f32>
  return
}

// -----

func.func @budget_c3() {
  // expected-error @below {{(budget_c3) has the name 'a b', expected letters, digits, '.', '_', '-', '/' and ':'}}
  %0 = ac.budget "a b" = 0.5 in [0.0, 1.0] : tensor<f32>
  return
}

// -----

func.func @budget_c3_empty() {
  // expected-error @below {{(budget_c3) has the name ''}}
  %0 = ac.budget "" = 0.5 in [0.0, 1.0] : tensor<f32>
  return
}

// -----

func.func @decide_c1(%p: tensor<?x10xi32>, %t: tensor<i32>) {
  // expected-error @below {{(decide_c1) has scores of type 'tensor<?x10xi32>', expected floating-point rows}}
  %0 = ac.decide confidence of %p against %t per row : tensor<?x10xi32>, tensor<i32> -> tensor<?x1xi1>
  return
}

// -----

func.func @decide_c1_scalar(%p: tensor<f32>, %t: tensor<f32>) {
  // expected-error @below {{(decide_c1) has scores of type 'tensor<f32>', expected floating-point rows}}
  %0 = ac.decide confidence of %p against %t per row : tensor<f32>, tensor<f32> -> tensor<i1>
  return
}

// -----

func.func @decide_c1_value(%p: tensor<?x10xf32>, %t: tensor<f32>) {
  // expected-error @below {{(decide_c1) has scores of type 'tensor<?x10xf32>', expected floating-point rows with a last dimension of one}}
  %0 = ac.decide value of %p against %t per row : tensor<?x10xf32>, tensor<f32> -> tensor<?x1xi1>
  return
}

// -----

func.func @decide_c2(%p: tensor<?x10xf32>, %t: tensor<f64>) {
  // expected-error @below {{(decide_c2) has a threshold of type 'tensor<f64>', expected one element of type 'f32'}}
  %0 = ac.decide confidence of %p against %t per row : tensor<?x10xf32>, tensor<f64> -> tensor<?x1xi1>
  return
}

// -----

func.func @decide_c2_number(%p: tensor<?x10xf32>, %t: tensor<?xf32>) {
  // expected-error @below {{(decide_c2) has a threshold of type 'tensor<?xf32>', expected one element of type 'f32'}}
  %0 = ac.decide confidence of %p against %t per row : tensor<?x10xf32>, tensor<?xf32> -> tensor<?x1xi1>
  return
}

// -----

func.func @decide_c3_lacks(%p: tensor<?x10xf32>, %t: tensor<f32>) {
  // expected-error @below {{(decide_c3) has no previous scores, expected some of type 'tensor<?x10xf32>' for the rule change}}
  %0 = ac.decide change of %p against %t per row : tensor<?x10xf32>, tensor<f32> -> tensor<?x1xi1>
  return
}

// -----

func.func @decide_c3_type(%p: tensor<?x10xf32>, %q: tensor<?x9xf32>, %t: tensor<f32>) {
  // expected-error @below {{(decide_c3) has previous scores of type 'tensor<?x9xf32>', expected some of type 'tensor<?x10xf32>' for the rule change}}
  %0 = ac.decide change of %p from %q against %t per row : tensor<?x10xf32> from tensor<?x9xf32>, tensor<f32> -> tensor<?x1xi1>
  return
}

// -----

func.func @decide_c3_other_rule(%p: tensor<?x10xf32>, %t: tensor<f32>) {
  // expected-error @below {{(decide_c3) has previous scores of type 'tensor<?x10xf32>', expected none for the rule entropy}}
  %0 = ac.decide entropy of %p from %p against %t per row : tensor<?x10xf32> from tensor<?x10xf32>, tensor<f32> -> tensor<?x1xi1>
  return
}

// -----

func.func @decide_c4_row(%p: tensor<?x10xf32>, %t: tensor<f32>) {
  // expected-error @below {{(decide_c4) has a result of type 'tensor<?xi1>', expected 'tensor<?x1xi1>'}}
  %0 = ac.decide confidence of %p against %t per row : tensor<?x10xf32>, tensor<f32> -> tensor<?xi1>
  return
}

// -----

func.func @decide_c4_sample(%p: tensor<2x?x10xf32>, %t: tensor<f32>) {
  // expected-error @below {{(decide_c4) has a result of type 'tensor<1x1x1xi1>', expected 'tensor<2x1x1xi1>'}}
  %0 = ac.decide confidence of %p against %t per sample : tensor<2x?x10xf32>, tensor<f32> -> tensor<1x1x1xi1>
  return
}

// -----

func.func @decide_c4_batch(%p: tensor<2x?x10xf32>, %t: tensor<f32>) {
  // expected-error @below {{(decide_c4) has a result of type 'tensor<2x1x1xi1>', expected 'tensor<1x1x1xi1>'}}
  %0 = ac.decide confidence of %p against %t per batch : tensor<2x?x10xf32>, tensor<f32> -> tensor<2x1x1xi1>
  return
}

// -----

func.func @decide_c4_element(%p: tensor<?x10xf32>, %t: tensor<f32>) {
  // expected-error @below {{(decide_c4) has a result of type 'tensor<?x1xi8>', expected 'tensor<?x1xi1>'}}
  %0 = ac.decide confidence of %p against %t per row : tensor<?x10xf32>, tensor<f32> -> tensor<?x1xi8>
  return
}

// -----

func.func @route_c1(%s: tensor<?x8xf32>) {
  // expected-error @below {{(route_c1) has scores of type 'tensor<?x8xf32>' and weights of type 'tensor<?x8xf64>', expected one floating-point type of rank two or more}}
  %0 = ac.route relu of %s weights one : tensor<?x8xf32> -> tensor<?x8xf64>
  return
}

// -----

func.func @route_c1_rank(%s: tensor<8xf32>) {
  // expected-error @below {{(route_c1) has scores of type 'tensor<8xf32>'}}
  %0 = ac.route relu of %s weights one : tensor<8xf32> -> tensor<8xf32>
  return
}

// -----

func.func @route_c2_lacks(%s: tensor<?x8xf32>) {
  // expected-error @below {{(route_c2) has no limit, expected one element of type 'i64'}}
  %0 = ac.route top_k of %s weights one : tensor<?x8xf32> -> tensor<?x8xf32>
  return
}

// -----

func.func @route_c2_type(%s: tensor<?x8xf32>, %k: tensor<i64>) {
  // expected-error @below {{(route_c2) has a limit of type 'tensor<i64>', expected one element of type 'f32'}}
  %0 = ac.route top_p of %s limit %k weights one : tensor<?x8xf32>, tensor<i64> -> tensor<?x8xf32>
  return
}

// -----

func.func @route_c2_relu(%s: tensor<?x8xf32>, %k: tensor<f32>) {
  // expected-error @below {{(route_c2) has a limit of type 'tensor<f32>', expected none for this rule}}
  %0 = ac.route relu of %s limit %k weights one : tensor<?x8xf32>, tensor<f32> -> tensor<?x8xf32>
  return
}

// -----

func.func @route_c3(%s: tensor<?x8xf32>) {
  // expected-error @below {{(route_c3) has the capacity -1, expected zero or more}}
  %0 = ac.route relu of %s weights one capacity -1 : tensor<?x8xf32> -> tensor<?x8xf32>
  return
}

// -----

func.func @route_c4(%s: tensor<?x8xf32>, %b: tensor<1x8xf32>) {
  // expected-error @below {{(route_c4) has a bias of type 'tensor<1x8xf32>', expected 'tensor<8xf32>'}}
  %0 = ac.route relu of %s bias %b weights one : tensor<?x8xf32> bias tensor<1x8xf32> -> tensor<?x8xf32>
  return
}

// -----

func.func @learner_chain_c1(%k: tensor<?x1xf32>, %x: tensor<?x4xf32>) {
  // expected-error @below {{(learner_chain_c1) has a count of type 'tensor<?x1xf32>', expected integers with a last dimension of one and the rank of the rows and the result}}
  %0 = ac.learner_chain %k : tensor<?x1xf32> rows(%x : tensor<?x4xf32>) learner {
  ^bb0(%row: tensor<?x4xf32>):
    ac.yield %row : tensor<?x4xf32>
  } -> tensor<?x4xf32>
  return
}

// -----

func.func @learner_chain_c1_rank(%k: tensor<1xi64>, %x: tensor<?x4xf32>) {
  // expected-error @below {{(learner_chain_c1) has a count of type 'tensor<1xi64>'}}
  %0 = ac.learner_chain %k : tensor<1xi64> rows(%x : tensor<?x4xf32>) learner {
  ^bb0(%row: tensor<?x4xf32>):
    ac.yield %row : tensor<?x4xf32>
  } -> tensor<?x4xf32>
  return
}

// -----

func.func @learner_chain_c2_none(%k: tensor<?x1xi64>, %x: tensor<?x4xf32>) {
  // expected-error @below {{(learner_chain_c2) has no learner, expected one or more}}
  %0 = ac.learner_chain %k : tensor<?x1xi64> rows(%x : tensor<?x4xf32>) -> tensor<?x4xf32>
  return
}

// -----

func.func @learner_chain_c2(%k: tensor<?x1xi64>, %x: tensor<?x4xf32>) {
  // expected-error @below {{(learner_chain_c2) has learner 1 from ('tensor<?x3xf32>') to ('tensor<?x3xf32>'), expected from ('tensor<?x4xf32>') to ('tensor<?x4xf32>')}}
  %0 = ac.learner_chain %k : tensor<?x1xi64> rows(%x : tensor<?x4xf32>) learner {
  ^bb0(%row: tensor<?x4xf32>):
    ac.yield %row : tensor<?x4xf32>
  } learner {
  ^bb0(%row: tensor<?x3xf32>):
    ac.yield %row : tensor<?x3xf32>
  } -> tensor<?x4xf32>
  return
}

// -----

func.func @learner_chain_c3(%k: tensor<?x1xi64>, %x: tensor<?x4xf32>) {
  // expected-error @below {{(learner_chain_c3) runs at least 2 of 1 learners, expected 0 to 1}}
  %0 = ac.learner_chain %k : tensor<?x1xi64> rows(%x : tensor<?x4xf32>) min 2 learner {
  ^bb0(%row: tensor<?x4xf32>):
    ac.yield %row : tensor<?x4xf32>
  } -> tensor<?x4xf32>
  return
}

// -----

func.func @learner_chain_c3_negative(%k: tensor<?x1xi64>, %x: tensor<?x4xf32>) {
  // expected-error @below {{(learner_chain_c3) runs at least -1 of 1 learners, expected 0 to 1}}
  %0 = ac.learner_chain %k : tensor<?x1xi64> rows(%x : tensor<?x4xf32>) min -1 learner {
  ^bb0(%row: tensor<?x4xf32>):
    ac.yield %row : tensor<?x4xf32>
  } -> tensor<?x4xf32>
  return
}

// -----

func.func @learner_chain_c4(%k: tensor<?x1xi64>, %x: tensor<?x4xf32>, %r: tensor<4xf32>) {
  // expected-error @below {{(learner_chain_c4) has a residual of type 'tensor<4xf32>', expected 'tensor<?x4xf32>'}}
  %0 = ac.learner_chain %k : tensor<?x1xi64> rows(%x : tensor<?x4xf32>) residual(%r : tensor<4xf32>) learner {
  ^bb0(%row: tensor<?x4xf32>):
    ac.yield %row : tensor<?x4xf32>
  } -> tensor<?x4xf32>
  return
}

// -----

func.func @moe_dispatch_c1(%w: tensor<?x2xf32>, %x: tensor<?x4xf32>) {
  // expected-error @below {{(moe_dispatch_c1) has weights of type 'tensor<?x2xf32>' for 1 experts, expected floating-point ones of rank two or more, the number of experts last, with the rank of the rows and the result}}
  %0 = ac.moe_dispatch %w : tensor<?x2xf32> rows(%x : tensor<?x4xf32>) expert {
  ^bb0(%row: tensor<?x4xf32>):
    ac.yield %row : tensor<?x4xf32>
  } -> tensor<?x4xf32>
  return
}

// -----

func.func @moe_dispatch_c2_none(%w: tensor<?x0xf32>, %x: tensor<?x4xf32>) {
  // expected-error @below {{(moe_dispatch_c2) has no expert, expected one or more}}
  %0 = ac.moe_dispatch %w : tensor<?x0xf32> rows(%x : tensor<?x4xf32>) -> tensor<?x4xf32>
  return
}

// -----

func.func @moe_dispatch_c2(%w: tensor<?x1xf32>, %x: tensor<?x4xf32>, %y: tensor<?x3xf32>) {
  // expected-error @below {{(moe_dispatch_c2) has expert 0 from ('tensor<?x4xf32>') to ('tensor<?x3xf32>'), expected from ('tensor<?x4xf32>') to ('tensor<?x4xf32>')}}
  %0 = ac.moe_dispatch %w : tensor<?x1xf32> rows(%x : tensor<?x4xf32>) expert {
  ^bb0(%row: tensor<?x4xf32>):
    ac.yield %y : tensor<?x3xf32>
  } -> tensor<?x4xf32>
  return
}

// -----

func.func @exit_c1(%stop: tensor<2xi1>, %x: tensor<?x4xf32>) {
  // expected-error @below {{(exit_c1) has a decision of type 'tensor<2xi1>', expected one element of type i1}}
  %0 = ac.exit %stop : tensor<2xi1> early {
    ac.yield %x : tensor<?x4xf32>
  } rest {
    ac.yield %x : tensor<?x4xf32>
  } -> tensor<?x4xf32>
  return
}

// -----

func.func @exit_c2_early(%stop: tensor<i1>, %x: tensor<?x4xf32>) {
  // expected-error @below {{(exit_c2) has an early region from () to (), expected from () to ('tensor<?x4xf32>')}}
  %0 = ac.exit %stop : tensor<i1> early {
    ac.yield
  } rest {
    ac.yield %x : tensor<?x4xf32>
  } -> tensor<?x4xf32>
  return
}

// -----

func.func @exit_c2_rest(%stop: tensor<i1>, %x: tensor<?x4xf32>) {
  // expected-error @below {{(exit_c2) has a rest from ('tensor<i1>') to ('tensor<?x4xf32>'), expected from () to ('tensor<?x4xf32>')}}
  %0 = ac.exit %stop : tensor<i1> early {
    ac.yield %x : tensor<?x4xf32>
  } rest {
  ^bb0(%a: tensor<i1>):
    ac.yield %x : tensor<?x4xf32>
  } -> tensor<?x4xf32>
  return
}

// -----

func.func @skip_c1(%active: tensor<i8>, %x: tensor<?x4xf32>) {
  // expected-error @below {{(skip_c1) has a decision of type 'tensor<i8>', expected one element of type i1}}
  %0 = ac.skip %active : tensor<i8> otherwise(%x : tensor<?x4xf32>) {
    ac.yield %x : tensor<?x4xf32>
  } -> tensor<?x4xf32>
  return
}

// -----

func.func @skip_c2_body(%active: tensor<i1>, %x: tensor<?x4xf32>) {
  // expected-error @below {{(skip_c2) has a body from () to (), expected from () to ('tensor<?x4xf32>')}}
  %0 = ac.skip %active : tensor<i1> otherwise(%x : tensor<?x4xf32>) {
    ac.yield
  } -> tensor<?x4xf32>
  return
}

// -----

func.func @skip_c2_otherwise(%active: tensor<i1>, %x: tensor<?x4xf32>, %y: tensor<?x3xf32>) {
  // expected-error @below {{(skip_c2) has results of types 'tensor<?x3xf32>', expected 'tensor<?x4xf32>'}}
  %0 = ac.skip %active : tensor<i1> otherwise(%x : tensor<?x4xf32>) {
    ac.yield %y : tensor<?x3xf32>
  } -> tensor<?x3xf32>
  return
}

// -----

func.func @halting_loop_c1(%n: tensor<i32>, %x: tensor<?x4xf32>, %m: tensor<?x1xi1>) {
  // expected-error @below {{(halting_loop_c1) has a limit of type 'tensor<i32>', expected one element of type i64}}
  %0 = ac.halting_loop limit(%n : tensor<i32>) init(%x : tensor<?x4xf32>) rows [true] running {
  ^bb0(%i: tensor<i64>, %a: tensor<?x4xf32>):
    ac.yield %m : tensor<?x1xi1>
  } body {
  ^bb0(%i: tensor<i64>, %a: tensor<?x4xf32>):
    ac.yield %a : tensor<?x4xf32>
  } -> tensor<?x4xf32>
  return
}

// -----

func.func @halting_loop_c2_mask(%n: tensor<i64>, %x: tensor<?x4xf32>, %m: tensor<?x4xi1>) {
  // expected-error @below {{(halting_loop_c2) has a running region from ('tensor<i64>', 'tensor<?x4xf32>') to ('tensor<?x4xi1>'), expected from ('tensor<i64>', 'tensor<?x4xf32>') to one i1 tensor whose last dimension is one}}
  %0 = ac.halting_loop limit(%n : tensor<i64>) init(%x : tensor<?x4xf32>) rows [true] running {
  ^bb0(%i: tensor<i64>, %a: tensor<?x4xf32>):
    ac.yield %m : tensor<?x4xi1>
  } body {
  ^bb0(%i: tensor<i64>, %a: tensor<?x4xf32>):
    ac.yield %a : tensor<?x4xf32>
  } -> tensor<?x4xf32>
  return
}

// -----

func.func @halting_loop_c2_arguments(%n: tensor<i64>, %x: tensor<?x4xf32>, %m: tensor<?x1xi1>) {
  // expected-error @below {{(halting_loop_c2) has a running region from ('tensor<?x4xf32>') to ('tensor<?x1xi1>')}}
  %0 = ac.halting_loop limit(%n : tensor<i64>) init(%x : tensor<?x4xf32>) rows [true] running {
  ^bb0(%a: tensor<?x4xf32>):
    ac.yield %m : tensor<?x1xi1>
  } body {
  ^bb0(%i: tensor<i64>, %a: tensor<?x4xf32>):
    ac.yield %a : tensor<?x4xf32>
  } -> tensor<?x4xf32>
  return
}

// -----

func.func @halting_loop_c3_body(%n: tensor<i64>, %x: tensor<?x4xf32>, %m: tensor<?x1xi1>) {
  // expected-error @below {{(halting_loop_c3) has a body from ('tensor<i64>', 'tensor<?x4xf32>') to (), expected from ('tensor<i64>', 'tensor<?x4xf32>') to ('tensor<?x4xf32>')}}
  %0 = ac.halting_loop limit(%n : tensor<i64>) init(%x : tensor<?x4xf32>) rows [true] running {
  ^bb0(%i: tensor<i64>, %a: tensor<?x4xf32>):
    ac.yield %m : tensor<?x1xi1>
  } body {
  ^bb0(%i: tensor<i64>, %a: tensor<?x4xf32>):
    ac.yield
  } -> tensor<?x4xf32>
  return
}

// -----

func.func @halting_loop_c3_results(%n: tensor<i64>, %x: tensor<?x4xf32>, %m: tensor<?x1xi1>) {
  // expected-error @below {{(halting_loop_c3) has results of types 'tensor<?x3xf32>', expected 'tensor<?x4xf32>'}}
  %0 = ac.halting_loop limit(%n : tensor<i64>) init(%x : tensor<?x4xf32>) rows [true] running {
  ^bb0(%i: tensor<i64>, %a: tensor<?x4xf32>):
    ac.yield %m : tensor<?x1xi1>
  } body {
  ^bb0(%i: tensor<i64>, %a: tensor<?x4xf32>):
    ac.yield %a : tensor<?x4xf32>
  } -> tensor<?x3xf32>
  return
}

// -----

func.func @halting_loop_c4_number(%n: tensor<i64>, %x: tensor<?x4xf32>, %m: tensor<?x1xi1>) {
  // expected-error @below {{(halting_loop_c4) marks 2 carried values of 1}}
  %0 = ac.halting_loop limit(%n : tensor<i64>) init(%x : tensor<?x4xf32>) rows [true, true] running {
  ^bb0(%i: tensor<i64>, %a: tensor<?x4xf32>):
    ac.yield %m : tensor<?x1xi1>
  } body {
  ^bb0(%i: tensor<i64>, %a: tensor<?x4xf32>):
    ac.yield %a : tensor<?x4xf32>
  } -> tensor<?x4xf32>
  return
}

// -----

func.func @halting_loop_c4_rows(%n: tensor<i64>, %x: tensor<3x4xf32>, %m: tensor<2x1xi1>) {
  // expected-error @below {{(halting_loop_c4) carries value 0 of type 'tensor<3x4xf32>' by rows, expected the rows of the mask, which is 'tensor<2x1xi1>'}}
  %0 = ac.halting_loop limit(%n : tensor<i64>) init(%x : tensor<3x4xf32>) rows [true] running {
  ^bb0(%i: tensor<i64>, %a: tensor<3x4xf32>):
    ac.yield %m : tensor<2x1xi1>
  } body {
  ^bb0(%i: tensor<i64>, %a: tensor<3x4xf32>):
    ac.yield %a : tensor<3x4xf32>
  } -> tensor<3x4xf32>
  return
}
