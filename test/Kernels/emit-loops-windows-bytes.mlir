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

// Bytes that become words have the lanes of words; every second one is two loads of bytes and a shuffle.
// CHECK-LABEL: func.func @widened(
// CHECK: vector.load {{.*}} vector<16xi8>
// CHECK: vector.load {{.*}} vector<16xi8>
// CHECK: vector.shuffle {{.*}} : vector<16xi8>, vector<16xi8>
// CHECK: arith.extui %{{.*}} : vector<16xi8> to vector<16xi32>
// CHECK: arith.sitofp %{{.*}} : vector<16xi32> to vector<16xf32>
// CHECK: arith.trunci %{{.*}} : vector<16xi32> to vector<16xi8>
// CHECK: vector.store {{.*}} vector<16xi8>
// CHECK: vector.maskedload {{.*}} memref<64x100x130xi8>, vector<16xi1>, vector<16xi8> into vector<16xi8>
func.func @widened(%x: memref<64x100x130xi8>, %y: memref<64x100x64xi8>) {
  linalg.generic {indexing_maps = [affine_map<(d0, d1, d2) -> (d0, d1, d2)>], iterator_types = ["parallel", "parallel", "parallel"]}
      outs(%y : memref<64x100x64xi8>) {
  ^bb0(%out: i8):
    %c0 = arith.constant 0 : index
    %c130 = arith.constant 130 : index
    %outside = arith.constant 7 : i8
    %factor = arith.constant 3.0 : f32
    %c = linalg.index 0 : index
    %h = linalg.index 1 : index
    %j = linalg.index 2 : index
    %column = affine.apply affine_map<(d0) -> (d0 * 2 - 1)>(%j)
    %inside = arith.cmpi ult, %column, %c130 : index
    %place = arith.select %inside, %column, %c0 : index
    %read = memref.load %x[%c, %h, %place] : memref<64x100x130xi8>
    %byte = arith.select %inside, %read, %outside : i8
    %word = arith.extui %byte : i8 to i32
    %number = arith.sitofp %word : i32 to f32
    %product = arith.mulf %number, %factor : f32
    %back = arith.fptosi %product : f32 to i32
    %value = arith.trunci %back : i32 to i8
    linalg.yield %value : i8
  }
  return
}

// Half floats among words are left to LLVM.
// CHECK-LABEL: func.func @halves(
// CHECK-NOT: vector
// CHECK: return
func.func @halves(%x: memref<64x100x130xf16>, %y: memref<64x100x64xf32>) {
  linalg.generic {indexing_maps = [affine_map<(d0, d1, d2) -> (d0, d1, d2)>], iterator_types = ["parallel", "parallel", "parallel"]}
      outs(%y : memref<64x100x64xf32>) {
  ^bb0(%out: f32):
    %c = linalg.index 0 : index
    %h = linalg.index 1 : index
    %j = linalg.index 2 : index
    %column = affine.apply affine_map<(d0) -> (d0 * 2)>(%j)
    %read = memref.load %x[%c, %h, %column] : memref<64x100x130xf16>
    %value = arith.extf %read : f16 to f32
    linalg.yield %value : f32
  }
  return
}
