// RUN: ac-opt %s --split-input-file --verify-diagnostics

func.func @slot(%n: index) {
  // expected-error @below {{(count_c1) has slot 2, 2 names and 2 costs, expected as many costs as names and a slot among them}}
  ac.count "s" 2 %n at %n of "exit" ["runs", "taken"] flops [0, 64]
  return
}

// -----

func.func @costs(%n: index) {
  // expected-error @below {{(count_c1) has slot 0, 2 names and 1 costs}}
  ac.count "s" 0 %n of "exit" ["runs", "taken"] flops [0]
  return
}

// -----

func.func @negative_cost(%n: index) {
  // expected-error @below {{(count_c1) has the cost -2, expected 0 or more, or -1 where it is not known}}
  ac.count "s" 0 %n of "exit" ["runs", "taken"] flops [0, -2]
  return
}

// -----

func.func @parallel(%n: index) {
  %c4 = arith.constant 4 : index
  ac.parallel %n grain %c4 {
  ^bb0(%begin: index, %end: index):
    // expected-error @below {{(count_c2) stands inside of 'ac.parallel', whose threads would count at the same time}}
    ac.count "s" 0 %n of "exit" ["runs"] flops [0]
  }
  return
}
