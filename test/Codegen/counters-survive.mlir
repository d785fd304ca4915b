// RUN: ac-opt %s --ac-kernels --ac-bufferize --ac-codegen | FileCheck %s

// From the lowered form to the LLVM dialect: a count is neither dropped, nor merged with its equal, nor taken out of the
// loop that repeats it, and stays out of the kernels, which threads run at the same time. The budget is a load at the
// entry, which a kernel receives as a number.
// CHECK: llvm.func @ac_model_run(%[[CALL:.*]]: !llvm.ptr)
// CHECK: %[[AT:.*]] = llvm.getelementptr {{(inbounds )?}}%[[CALL]][32]
// CHECK: %[[TABLE:.*]] = llvm.load %[[AT]]
// CHECK: llvm.getelementptr {{(inbounds )?}}%[[CALL]][24]
// CHECK: llvm.fptrunc %{{.*}} : f64 to f32
// CHECK: llvm.cond_br
// CHECK: llvm.load %[[TABLE]] : !llvm.ptr -> i64
// CHECK: llvm.store %{{.*}}, %[[TABLE]] : i64, !llvm.ptr
// CHECK: llvm.load %[[TABLE]] : !llvm.ptr -> i64
// CHECK: llvm.store %{{.*}}, %[[TABLE]] : i64, !llvm.ptr
// CHECK: llvm.br
// CHECK-LABEL: llvm.func {{.*}}@ac_kernel_0
// CHECK-NOT: f64
// CHECK: llvm.fmul
// CHECK-NOT: i64, !llvm.ptr
// CHECK: llvm.return
func.func @main(%x: tensor<?x64xf32> {bufferization.writable = false}, %n: tensor<i64> {bufferization.writable = false}) -> tensor<?x64xf32> {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %rows = tensor.dim %x, %c0 : tensor<?x64xf32>
  %limit = tensor.extract %n[] : tensor<i64>
  %steps = arith.index_cast %limit : i64 to index
  %y = scf.for %i = %c0 to %steps step %c1 iter_args(%v = %x) -> (tensor<?x64xf32>) {
    ac.count "loop" 0 %rows of "halting_loop" ["row-steps"] flops [0]
    ac.count "loop" 0 %rows of "halting_loop" ["row-steps"] flops [0]
    %gain = ac.read_budget "gain" = 2.0 in [0.0, 4.0] : f32
    %e = tensor.empty(%rows) : tensor<?x64xf32>
    %0 = linalg.generic {indexing_maps = [affine_map<(d0, d1) -> (d0, d1)>, affine_map<(d0, d1) -> (d0, d1)>],
        iterator_types = ["parallel", "parallel"]} ins(%v : tensor<?x64xf32>) outs(%e : tensor<?x64xf32>) {
    ^bb0(%a: f32, %o: f32):
      %p = arith.mulf %a, %gain : f32
      linalg.yield %p : f32
    } -> tensor<?x64xf32>
    scf.yield %0 : tensor<?x64xf32>
  }
  return %y : tensor<?x64xf32>
}
