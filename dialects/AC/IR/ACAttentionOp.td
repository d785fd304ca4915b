//===- ACAttentionOp.td - ac.attention --------------------------*- tablegen -*-===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef AC_ATTENTION_OP
#define AC_ATTENTION_OP

def AC_AttentionOp : AC_Op<"attention", [AttrSizedOperandSegments,
                                         DeclareOpInterfaceMethods<MemoryEffectsOpInterface>]> {
  let summary = "Attention of queries to keys by head";
  let description = [{
    For each batch entry `b`, query head `h`, and query `i`, over the keys `j` that it may see:

    ```
    s[j]   = scale * (sum over d of query[b, h, i, d] * key[b, g, j, d])     g = h floordiv (query heads / key heads)
    s[j]   = softcap * tanh(s[j] / softcap)                                  with a softcap
    s[j]   = s[j] + mask[b, h, i, j]                                         a mask of numbers
    s[j]   = mask[b, h, i, j] ? s[j] : fill                                  a mask of booleans; fill is -inf unless given
    result[b, h, i, e] = sum over j of softmax(s)[j] * value[b, g, j, e]
    ```

    What a query may see is structure, and what is never seen is not computed. Query `i` stands at position
    `p = i + offsets[b]` (0 without `offsets`) among the keys. It sees keys `j < lengths[b]`, those from `p - before` and those
    up to `p + after`, as far as these are given: `after = 0` is causal, both are a band. Where a query sees nothing, or
    `-inf` alone, the row is zero with `empty_is_zero`, else NaN as a softmax makes it; without any keys it is zero. With
    `nan_is_zero` every row is zero whose softmax is NaN, also one that sees a score of NaN or infinity.
    NaN or infinities in the values of keys that are not seen may or may not show.

    With `sinks`, a query of head `h` sees one more key, whose score is `sinks[h]` and whose value is zero: it takes its
    share of the softmax and gives nothing. No row is without keys then.

    `offsets` and `lengths` have one entry, or one for each batch entry. The mask has up to four dimensions, of which the last
    is that of the keys and those of size one are repeated, as numpy does.

    Dimension `i` of an operand is dimension `order[i]` of the above: 0 batch, 1 head, 2 row (query or key), 3 column. One
    that is not named has size one. So nobody has to move heads to the front.

    On buffers, the operation has `outs` for the result. With `dense`, it is lowered to scores, softmax and product, for
    comparison.

    - (attention_c1) query, key, value and result have one floating-point element type and the ranks of their orders.
    - (attention_c2) an order names some of 0 to 3 once each, 2 and 3 among them.
    - (attention_c3) columns are last in the orders of value and result.
    - (attention_c4) sizes that are known agree: batch, keys of key and value, columns of query and key, and query heads are a
      multiple of key heads.
    - (attention_c5) a mask holds booleans or elements of that type, in at most four dimensions; `fill` needs booleans.
    - (attention_c6) `offsets` and `lengths` have one dimension and elements of type index.
    - (attention_c7) `before` and `after` are not negative, `softcap` is positive.
    - (attention_c8) there is a result on tensors, `outs` on buffers.
    - (attention_c9) `sinks` has one dimension of the query's elements, with one for each query head.

    ```mlir
    %r = ac.attention ins(%q, %k, %v : tensor<1x?x12x64xf32>, tensor<1x?x12x64xf32>, tensor<1x12x?x64xf32>)
        mask(%m : tensor<1x1x1x?xf32>)
        attributes {query_order = array<i64: 0, 2, 1, 3>, key_order = array<i64: 0, 2, 1, 3>,
                    value_order = array<i64: 0, 1, 2, 3>, out_order = array<i64: 0, 2, 1, 3>, scale = 0.125 : f64,
                    after = 0 : i64} -> tensor<1x?x12x64xf32>
    ```
  }];
  let arguments = (ins AnyType:$query, AnyType:$key, AnyType:$value, Optional<AnyType>:$mask, Optional<AnyType>:$offsets,
                       Optional<AnyType>:$lengths, Optional<AnyType>:$sinks, Optional<AnyType>:$init, DenseI64ArrayAttr:$query_order,
                       DenseI64ArrayAttr:$key_order, DenseI64ArrayAttr:$value_order, DenseI64ArrayAttr:$out_order,
                       F64Attr:$scale, OptionalAttr<F64Attr>:$softcap, OptionalAttr<F64Attr>:$fill,
                       OptionalAttr<I64Attr>:$before, OptionalAttr<I64Attr>:$after, UnitAttr:$empty_is_zero,
                       UnitAttr:$nan_is_zero, UnitAttr:$dense);
  let results = (outs Variadic<AnyType>:$results);
  let assemblyFormat = [{
    (`dense` $dense^)? `ins` `(` $query `,` $key `,` $value `:` type($query) `,` type($key) `,` type($value) `)`
    (`mask` `(` $mask^ `:` type($mask) `)`)? (`offsets` `(` $offsets^ `:` type($offsets) `)`)?
    (`lengths` `(` $lengths^ `:` type($lengths) `)`)? (`sinks` `(` $sinks^ `:` type($sinks) `)`)? (`outs` `(` $init^ `:` type($init) `)`)?
    attr-dict-with-keyword (`->` type($results)^)?
  }];
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    enum Dim { Batch = 0, Head = 1, Row = 2, Column = 3 };
    /// The dimension of an operand that holds `dim`, or nothing if its size is one.
    static std::optional<int64_t> placeOf(::llvm::ArrayRef<int64_t> order, Dim dim);
    /// Whether structure, rather than a mask, tells what is seen.
    bool hasStructure() { return getLengths() || getBefore() || getAfter(); }
  }];
}

#endif // AC_ATTENTION_OP
