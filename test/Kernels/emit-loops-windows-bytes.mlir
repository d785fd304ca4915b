// RUN: ac-opt %s --ac-emit-loops | FileCheck %s

// A row of bytes with its padding: a vector of 64 under a mask that is a word of bits.
// CHECK-LABEL: func.func @padded(
// CHECK: arith.shrui %{{.*}} : i64
// CHECK: vector.bitcast %{{.*}} : vector<1xi64> to vector<64xi1>
// CHECK: vector.maskedload {{.*}} vector<64xi8>
// CHECK: vector.maskedstore {{.*}} vector<64xi8>
func.func @padded(%x: memref<64x100x56xi8>, %y: memref<64x100x58xi8>) {
  linalg.generic {indexing_maps = [affine_map<(d0, d1, d2) -> (d0, d1, d2)>], iterator_types = ["parallel", "parallel", "parallel"]}
      outs(%y : memref<64x100x58xi8>) {
  ^bb0(%out: i8):
    %c0 = arith.constant 0 : index
    %c56 = arith.constant 56 : index
    %outside = arith.constant 7 : i8
    %c = linalg.index 0 : index
    %h = linalg.index 1 : index
    %j = linalg.index 2 : index
    %column = affine.apply affine_map<(d0) -> (d0 - 1)>(%j)
    %inside = arith.cmpi ult, %column, %c56 : index
    %place = arith.select %inside, %column, %c0 : index
    %read = memref.load %x[%c, %h, %place] : memref<64x100x56xi8>
    %value = arith.select %inside, %read, %outside : i8
    linalg.yield %value : i8
  }
  return
}
