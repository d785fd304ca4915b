// RUN: ac-opt %s --ac-emit-loops | FileCheck %s

// A sum in four vectors at a time; what is left under a mask, whose other lanes count as -0; the lanes in four steps.
// CHECK-LABEL: func.func @sum(
// CHECK: scf.for {{.*}} iter_args({{.*}}) -> (vector<16xf32>, vector<16xf32>, vector<16xf32>, vector<16xf32>)
// CHECK-COUNT-4: arith.addf %{{.*}} : vector<16xf32>
// CHECK: scf.for {{.*}} -> (vector<16xf32>)
// CHECK: vector.maskedload
// CHECK: arith.select %{{.*}} : vector<16xi1>, vector<16xf32>
// CHECK-COUNT-8: vector.shuffle
// CHECK: vector.extract %{{.*}}[0]
func.func @sum(%x: memref<40x197xf32>, %y: memref<40xf32>) {
  linalg.generic {indexing_maps = [affine_map<(d0, d1) -> (d0, d1)>, affine_map<(d0, d1) -> (d0)>], iterator_types = ["parallel", "reduction"]}
      ins(%x : memref<40x197xf32>) outs(%y : memref<40xf32>) {
  ^bb0(%in: f32, %out: f32):
    %sum = arith.addf %out, %in fastmath<reassoc> : f32
    linalg.yield %sum : f32
  }
  return
}

// The running maximum is no NaN, so that one comparison passes over them. 64 columns need no mask.
// CHECK-LABEL: func.func @maximum(
// CHECK: arith.cmpf ogt, %{{.*}} : vector<16xf32>
// CHECK-NOT: maskedload
// CHECK: arith.maxnumf %{{.*}} : f32
// CHECK: return
func.func @maximum(%x: memref<40x64xf32>, %y: memref<40xf32>) {
  linalg.generic {indexing_maps = [affine_map<(d0, d1) -> (d0, d1)>, affine_map<(d0, d1) -> (d0)>], iterator_types = ["parallel", "reduction"]}
      ins(%x : memref<40x64xf32>) outs(%y : memref<40xf32>) {
  ^bb0(%in: f32, %out: f32):
    %largest = arith.maxnumf %out, %in : f32
    linalg.yield %largest : f32
  }
  return
}

// Additions whose order is given are left as they are.
// CHECK-LABEL: func.func @in_order(
// CHECK-NOT: vector
// CHECK: return
func.func @in_order(%x: memref<40x64xf32>, %y: memref<40xf32>) {
  linalg.generic {indexing_maps = [affine_map<(d0, d1) -> (d0, d1)>, affine_map<(d0, d1) -> (d0)>], iterator_types = ["parallel", "reduction"]}
      ins(%x : memref<40x64xf32>) outs(%y : memref<40xf32>) {
  ^bb0(%in: f32, %out: f32):
    %sum = arith.addf %out, %in : f32
    linalg.yield %sum : f32
  }
  return
}

// A row of a chain: vectors of what is there, the last one under a mask.
// CHECK-LABEL: func.func @row(
// CHECK: vector.load
// CHECK: math.exp %{{.*}} : vector<16xf32>
// CHECK: vector.maskedload
// CHECK: math.exp %{{.*}} : vector<16xf32>
// CHECK: vector.maskedstore
func.func @row(%x: memref<40x197xf32>, %y: memref<40x197xf32>) {
  %rows = arith.constant 40 : index
  %grain = arith.constant 10 : index
  %one = arith.constant 1 : index
  ac.parallel %rows grain %grain {
  ^bb0(%begin: index, %end: index):
    scf.for %i = %begin to %end step %one {
      %from = memref.subview %x[%i, 0] [1, 197] [1, 1] : memref<40x197xf32> to memref<197xf32, strided<[1], offset: ?>>
      %to = memref.subview %y[%i, 0] [1, 197] [1, 1] : memref<40x197xf32> to memref<197xf32, strided<[1], offset: ?>>
      linalg.generic {indexing_maps = [affine_map<(d0) -> (d0)>, affine_map<(d0) -> (d0)>], iterator_types = ["parallel"]}
          ins(%from : memref<197xf32, strided<[1], offset: ?>>) outs(%to : memref<197xf32, strided<[1], offset: ?>>) {
      ^bb0(%in: f32, %out: f32):
        %e = math.exp %in : f32
        linalg.yield %e : f32
      }
    }
    ac.yield
  }
  return
}

// Vectors may branch inside a sine, which loops of LLVM may not: they are written here, from where a range begins.
// CHECK-LABEL: func.func @sines(
// CHECK: ^bb0(%[[BEGIN:.*]]: index, %[[END:.*]]: index):
// CHECK: scf.for %{{.*}} = %[[BEGIN]] to
// CHECK: math.sin %{{.*}} : vector<16xf32>
// CHECK: vector.maskedstore
func.func @sines(%x: memref<100000xf32>, %y: memref<100000xf32>) {
  linalg.generic {indexing_maps = [affine_map<(d0) -> (d0)>, affine_map<(d0) -> (d0)>], iterator_types = ["parallel"]}
      ins(%x : memref<100000xf32>) outs(%y : memref<100000xf32>) {
  ^bb0(%in: f32, %out: f32):
    %r = math.sin %in : f32
    linalg.yield %r : f32
  }
  return
}

// The rows and columns of a plane, seen through a view of one, are one row.
// CHECK-LABEL: func.func @plane(
// CHECK: memref.collapse_shape {{.*}} into memref<3136xf32, strided<[1], offset: ?>>
// CHECK: scf.for {{.*}} -> (vector<16xf32>, vector<16xf32>, vector<16xf32>, vector<16xf32>)
func.func @plane(%x: memref<64x56x56xf32>, %y: memref<f32>, %i: index) {
  %plane = memref.subview %x[%i, 0, 0] [1, 56, 56] [1, 1, 1] : memref<64x56x56xf32> to memref<56x56xf32, strided<[56, 1], offset: ?>>
  linalg.generic {indexing_maps = [affine_map<(d0, d1) -> (d0, d1)>, affine_map<(d0, d1) -> ()>], iterator_types = ["reduction", "reduction"]}
      ins(%plane : memref<56x56xf32, strided<[56, 1], offset: ?>>) outs(%y : memref<f32>) {
  ^bb0(%in: f32, %out: f32):
    %sum = arith.addf %out, %in fastmath<reassoc> : f32
    linalg.yield %sum : f32
  }
  return
}
