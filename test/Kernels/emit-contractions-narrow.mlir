// RUN: ac-opt %s --ac-emit-contractions --canonicalize --cse --split-input-file | FileCheck %s

#same = affine_map<(d0) -> (d0)>
#column = affine_map<(d0, d1, d2) -> (d2)>

// Bytes are made i32 as they are loaded, each side by its sign; sixteen bytes are stored for sixteen sums.
module {
// CHECK-LABEL: func.func private @ac_contract_0(
// CHECK: %[[ROW:.*]] = vector.load %{{.*}} : memref<{{.*}}xi8{{.*}}>, vector<16xi8>
// CHECK: %[[WIDE:.*]] = arith.extsi %[[ROW]] : vector<16xi8> to vector<16xi32>
// CHECK: %[[ONE:.*]] = memref.load %{{.*}} : memref<{{.*}}xi8{{.*}}>
// CHECK: %[[ELEMENT:.*]] = arith.extui %[[ONE]] : i8 to i32
// CHECK: %[[ALL:.*]] = vector.broadcast %[[ELEMENT]] : i32 to vector<16xi32>
// CHECK: %[[PRODUCT:.*]] = arith.muli %[[ALL]], %[[WIDE]]
// CHECK: arith.addi %{{.*}}, %[[PRODUCT]] : vector<16xi32>
// CHECK: %[[FLOAT:.*]] = arith.sitofp %{{.*}} : vector<16xi32> to vector<16xf32>
// CHECK: %[[BYTE:.*]] = arith.fptosi %{{.*}} : vector<16xf32> to vector<16xi8>
// CHECK: vector.store %[[BYTE]], %{{.*}} : memref<?x?x?xi8{{.*}}>, vector<16xi8>
func.func @bytes(%a: memref<1x?x64xi8>, %b: memref<1x4x64x64xi8>, %s: memref<256xf32>, %r: memref<1x?x256xi8>) {
  ac.contract packed ins(%a, %b : memref<1x?x64xi8>, memref<1x4x64x64xi8>) extras(%s : memref<256xf32>) outs(%r : memref<1x?x256xi8>)
      attributes {lhs_batch = #same, rhs_batch = #same, extra_maps = [#column], lhs_unsigned} {
  ^bb0(%sum: i32, %by: f32):
    %float = arith.sitofp %sum : i32 to f32
    %scaled = arith.mulf %float, %by : f32
    %byte = arith.fptosi %scaled : f32 to i8
    ac.yield %byte : i8
  }
  return
}
}

// -----

#same = affine_map<(d0) -> (d0)>

// Signs are part of what a kernel is: two of them.
module {
// CHECK-LABEL: func.func @signs(
// CHECK: func.call @ac_contract_0(
// CHECK: func.call @ac_contract_1(
func.func @signs(%a: memref<1x?x64xi8>, %b: memref<1x64x?xi8>, %r: memref<1x?x?xi32>) {
  ac.contract ins(%a, %b : memref<1x?x64xi8>, memref<1x64x?xi8>) extras() outs(%r : memref<1x?x?xi32>)
      attributes {lhs_batch = #same, rhs_batch = #same, extra_maps = []} {
  ^bb0(%sum: i32):
    ac.yield %sum : i32
  }
  ac.contract ins(%a, %b : memref<1x?x64xi8>, memref<1x64x?xi8>) extras() outs(%r : memref<1x?x?xi32>)
      attributes {lhs_batch = #same, rhs_batch = #same, extra_maps = [], rhs_unsigned} {
  ^bb0(%sum: i32):
    ac.yield %sum : i32
  }
  return
}
}

// -----

#same = affine_map<(d0) -> (d0)>

// CHECK-LABEL: func.func private @ac_contract_0(
// CHECK: %[[ROW:.*]] = vector.load %{{.*}}, vector<16xbf16>
// CHECK: %[[WIDE:.*]] = arith.extf %[[ROW]] : vector<16xbf16> to vector<16xf32>
// CHECK: %[[ELEMENT:.*]] = arith.extf %{{.*}} : bf16 to f32
// CHECK: %[[ALL:.*]] = vector.broadcast %[[ELEMENT]] : f32 to vector<16xf32>
// CHECK: vector.fma %[[ALL]], %[[WIDE]], %{{.*}} : vector<16xf32>
// CHECK: %[[ROUNDED:.*]] = arith.truncf %{{.*}} : vector<16xf32> to vector<16xbf16>
// CHECK: vector.store %[[ROUNDED]]
module {
func.func @small_floats(%a: memref<1x?x64xbf16>, %b: memref<1x4x64x64xbf16>, %r: memref<1x?x256xbf16>) {
  ac.contract packed ins(%a, %b : memref<1x?x64xbf16>, memref<1x4x64x64xbf16>) extras() outs(%r : memref<1x?x256xbf16>)
      attributes {lhs_batch = #same, rhs_batch = #same, extra_maps = []} {
  ^bb0(%sum: f32):
    %rounded = arith.truncf %sum : f32 to bf16
    ac.yield %rounded : bf16
  }
  return
}
}
