//===- ACAdaptiveFolds.cpp - What is known of a decision while compiling --===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "dialects/AC/IR/ACDialect.h"
#include "mlir/IR/PatternMatch.h"

using namespace mlir;
using namespace mlir::ac;

void LearnerChainOp::getCanonicalizationPatterns(RewritePatternSet &, MLIRContext *) {}
void MoeDispatchOp::getCanonicalizationPatterns(RewritePatternSet &, MLIRContext *) {}
void ExitOp::getCanonicalizationPatterns(RewritePatternSet &, MLIRContext *) {}
void SkipOp::getCanonicalizationPatterns(RewritePatternSet &, MLIRContext *) {}
void HaltingLoopOp::getCanonicalizationPatterns(RewritePatternSet &, MLIRContext *) {}
