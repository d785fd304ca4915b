//===- Description.cpp - What a kernel computes, read from JSON -----------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Description.h"
#include <map>
#include <set>
#include <stdexcept>

using namespace Halide;

namespace accordion {

Machine readMachine(const Json &description) {
  const Json &target = description.at("target");
  if (target.at("arch") != "x86_64")
    throw std::runtime_error("Halide's kernels are made for x86_64, not for " + target.at("arch").get<std::string>());
  int bits = target.at("vector_bits");
  // No runtime: a kernel allocates nothing, starts no threads and cannot fail. Buffers are as the caller says.
  std::vector<Target::Feature> features{Target::SSE41,     Target::AVX,           Target::AVX2,
                                        Target::FMA,       Target::F16C,          Target::NoRuntime,
                                        Target::NoAsserts, Target::NoBoundsQuery, Target::LargeBuffers};
  if (bits == 512)
    features.insert(features.end(), {Target::AVX512, Target::AVX512_Skylake});
  // Products of bytes in groups have an instruction. The compiler describes them for machines with all that these names
  // stand for, but perhaps for bf16, which nothing here becomes.
  if (description.contains("group"))
    features.insert(features.end(), {Target::AVX512_Cannonlake, Target::AVX512_Zen4});
  return {Target(Target::Linux, Target::X86, 64, features), bits / 32, target.at("tile_rows"),
          target.at("tile_vectors")};
}

Type typeOf(const Json &object, const std::string &field) {
  static const std::map<std::string, Type> types{{"f32", Float(32)}, {"f16", Float(16)}, {"i32", Int(32)},
                                                 {"u32", UInt(32)},  {"i8", Int(8)},     {"u8", UInt(8)}};
  std::string name = object.value(field, "f32");
  auto found = types.find(name);
  if (found == types.end())
    throw std::runtime_error("elements of type '" + name + "' are unknown");
  return found->second;
}

std::vector<ImageParam> declareExtras(const Json &description) {
  std::vector<ImageParam> extras;
  for (const Json &extra : description.at("extras")) {
    int dimensions = extra.at("along").size();
    ImageParam parameter(typeOf(extra, "type"), dimensions, "extra" + std::to_string(extras.size()));
    for (int i = 0; i < dimensions; ++i)
      parameter.dim(i).set_min(0);
    extras.push_back(parameter);
  }
  return extras;
}

/// What `change` makes of integers modulo 2^32, which signed ones of Halide do not promise; floats as they are.
template <typename Change> static Expr wrapping(const std::vector<Expr> &v, Change change) {
  if (v[0].type() != Int(32))
    return change(v[0], v[1]);
  return reinterpret<int32_t>(change(reinterpret<uint32_t>(v[0]), reinterpret<uint32_t>(v[1])));
}

/// NaN where the argument is: Halide's polynomials do not promise it.
static Expr keepNaN(const Expr &x, const Expr &value) { return select(is_nan(x), x, value); }

static Expr compute(const std::string &name, const std::vector<Expr> &v) {
  static const std::set<std::string> unary{"neg",    "not",    "abs",   "sqrt",          "floor",      "ceil",
                                           "exp",    "expm1",  "erf",   "tanh",          "round_even", "to_float",
                                           "to_int", "narrow", "widen", "widen_unsigned"};
  size_t operands = name == "select" ? 3 : unary.count(name) ? 1 : 2;
  if (v.size() != operands)
    throw std::runtime_error("operation '" + name + "' of an epilogue has " + std::to_string(v.size()) +
                             " operands, expected " + std::to_string(operands));
  if (name == "add")
    return wrapping(v, [](const Expr &x, const Expr &y) { return x + y; });
  if (name == "sub")
    return wrapping(v, [](const Expr &x, const Expr &y) { return x - y; });
  if (name == "mul")
    return wrapping(v, [](const Expr &x, const Expr &y) { return x * y; });
  if (name == "div")
    return v[0] / v[1];
  if (name == "neg")
    return -v[0];
  if (name == "less")
    return v[0] < v[1];
  if (name == "less_equal")
    return v[0] <= v[1];
  if (name == "equal")
    return v[0] == v[1];
  if (name == "and")
    return v[0] && v[1];
  if (name == "or")
    return v[0] || v[1];
  if (name == "not")
    return !v[0];
  if (name == "select")
    return select(v[0], v[1], v[2]);
  if (name == "abs")
    return abs(v[0]);
  if (name == "sqrt")
    return sqrt(v[0]);
  if (name == "floor")
    return floor(v[0]);
  if (name == "ceil")
    return ceil(v[0]);
  if (name == "round_even")
    return round(v[0]);
  if (name == "to_float")
    return cast<float>(v[0]);
  if (name == "to_int" || name == "widen")
    return cast<int32_t>(v[0]);
  if (name == "narrow") // not one cast with that of a float before it, which may saturate
    return cast<int8_t>(v[0] & 255);
  if (name == "widen_unsigned")
    return cast<int32_t>(reinterpret<uint8_t>(v[0]));
  if (name == "exp")
    return keepNaN(v[0], exp(v[0]));
  if (name == "expm1") {
    // Near zero the series: there the difference has no digits left.
    Expr x = v[0], series = x * (1.0f + x * (0.5f + x * (1.0f / 6 + x * (1.0f / 24 + x * (1.0f / 120)))));
    return keepNaN(x, select(abs(x) < 0.25f, series, exp(x) - 1.0f));
  }
  if (name == "erf")
    return keepNaN(v[0], erf(clamp(v[0], -4.0f, 4.0f))); // one from there on; its polynomial has no value at infinity
  if (name == "tanh") {
    // From both ends of exp's range to one.
    Expr e = exp(-2.0f * abs(v[0])), ratio = (1.0f - e) / (1.0f + e);
    return keepNaN(v[0], select(v[0] < 0.0f, -ratio, ratio));
  }
  throw std::runtime_error("operation '" + name + "' of an epilogue is unknown");
}

Expr applyEpilogue(const Json &description, std::vector<Expr> values) {
  const Json &epilogue = description.at("epilogue");
  for (const Json &op : epilogue.at("ops")) {
    if (op.contains("bits")) {
      values.push_back(reinterpret(typeOf(op, "type"), Expr(op.at("bits").get<uint32_t>())));
      continue;
    }
    std::vector<Expr> operands;
    for (size_t operand : op.at("in"))
      operands.push_back(values.at(operand));
    Expr value = compute(op.at("op"), operands);
    values.push_back(value.type().is_float() || value.type().is_bool() ? strict_float(value) : value);
  }
  return values.at(epilogue.at("yield").get<size_t>());
}

} // namespace accordion
