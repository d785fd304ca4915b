//===- RecurrentActivation.cpp - Activations of recurrent layers ----------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Lower/Ops/RecurrentActivation.h"
#include "Lower/Ops/Scalars.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;
using namespace mlir::ac;

namespace {
struct ActivationForm {
  StringLiteral name;
  Activation::Kind kind;
  /// How many of alpha and beta it takes from the lists, and their defaults.
  unsigned numParameters;
  double alpha, beta;
};
} // namespace

static constexpr ActivationForm kActivations[] = {
    {"Relu", Activation::Relu, 0, 0, 0},
    {"Tanh", Activation::Tanh, 0, 0, 0},
    {"Sigmoid", Activation::Sigmoid, 0, 0, 0},
    {"Affine", Activation::Affine, 2, 1, 0},
    {"LeakyRelu", Activation::LeakyRelu, 1, 0.01, 0},
    {"ThresholdedRelu", Activation::ThresholdedRelu, 1, 1, 0},
    {"ScaledTanh", Activation::ScaledTanh, 2, 1, 1},
    {"HardSigmoid", Activation::HardSigmoid, 2, 0.2, 0.5},
    {"Elu", Activation::Elu, 1, 1, 0},
    {"Softsign", Activation::Softsign, 0, 0, 0},
    {"Softplus", Activation::Softplus, 0, 0, 0},
};

Value Activation::apply(OpBuilder &b, Location loc, Value x) const {
  auto constant = [&](double value) -> Value {
    return arith::ConstantOp::create(b, loc, b.getFloatAttr(x.getType(), value));
  };
  auto scaled = [&](Value value, double factor) -> Value {
    return factor == 1 ? value : arith::MulFOp::create(b, loc, value, constant(factor)).getResult();
  };
  auto plus = [&](Value value, double more) -> Value {
    return more == 0 ? value : arith::AddFOp::create(b, loc, value, constant(more)).getResult();
  };
  auto isNegative = [&] { return arith::CmpFOp::create(b, loc, arith::CmpFPredicate::OLT, x, constant(0)); };
  switch (kind) {
  case Relu:
    return arith::MaximumFOp::create(b, loc, x, constant(0));
  case Tanh:
    return math::TanhOp::create(b, loc, x);
  case Sigmoid:
    return Scalars(b, loc).sigmoid(x);
  case Affine:
    return plus(scaled(x, alpha), beta);
  case LeakyRelu:
    return arith::SelectOp::create(b, loc, isNegative(), scaled(x, alpha), x);
  case ThresholdedRelu: {
    Value above = arith::CmpFOp::create(b, loc, arith::CmpFPredicate::OGE, x, constant(alpha));
    return arith::SelectOp::create(b, loc, above, x, constant(0));
  }
  case ScaledTanh:
    return scaled(math::TanhOp::create(b, loc, scaled(x, beta)), alpha);
  case HardSigmoid: {
    Value line = plus(scaled(x, alpha), beta);
    return arith::MinimumFOp::create(b, loc, arith::MaximumFOp::create(b, loc, line, constant(0)), constant(1));
  }
  case Elu: {
    Value below = scaled(math::ExpM1Op::create(b, loc, x), alpha);
    return arith::SelectOp::create(b, loc, isNegative(), below, x);
  }
  case Softsign:
    return arith::DivFOp::create(b, loc, x, plus(math::AbsFOp::create(b, loc, x), 1));
  case Softplus:
    return Scalars(b, loc).softplus(x);
  }
  llvm_unreachable("all activations are covered");
}

FailureOr<SmallVector<Activation>> ac::readActivations(Node &node, ArrayRef<StringRef> defaults,
                                                       unsigned numDirections) {
  SmallVector<StringRef> names = node.getStrings("activations");
  if (names.empty())
    for (unsigned i = 0; i < numDirections; ++i)
      llvm::append_range(names, defaults);
  if (names.size() != defaults.size() * numDirections)
    return node.refuse(Twine(names.size()) + " activations, expected " + Twine(defaults.size() * numDirections));
  SmallVector<double> alphas = node.getFloats("activation_alpha").value_or(SmallVector<double>()),
                      betas = node.getFloats("activation_beta").value_or(SmallVector<double>());
  size_t nextAlpha = 0, nextBeta = 0;
  SmallVector<Activation> activations;
  for (StringRef name : names) {
    const auto *form =
        llvm::find_if(kActivations, [&](const ActivationForm &form) { return name.equals_insensitive(form.name); });
    if (form == std::end(kActivations))
      return node.refuse("unknown activation '" + name + "'");
    Activation activation{form->kind, form->alpha, form->beta};
    if (form->numParameters > 0 && nextAlpha < alphas.size())
      activation.alpha = alphas[nextAlpha++];
    if (form->numParameters > 1 && nextBeta < betas.size())
      activation.beta = betas[nextBeta++];
    activations.push_back(activation);
  }
  return activations;
}
