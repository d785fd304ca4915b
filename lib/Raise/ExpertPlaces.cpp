//===- ExpertPlaces.cpp - Sums over experts and their places --------------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Raise/ExpertSum.h"

namespace mlir::ac {

/// `ebcd,bnec->bnd` with any letters, in any order but that of the result.
bool ExpertSum::matchSlots() {
  auto [inputs, output] = StringRef(slotEquation).split("->");
  auto [first, second] = inputs.split(',');
  char feature = output.back();
  bool answersFirst = first.contains(feature);
  StringRef terms = answersFirst ? first : second, mask = answersFirst ? second : first;
  Value all = root->getOperand(answersFirst ? 0 : 1), combined = factor;
  auto type = rankedType(all), maskType = rankedType(combined);
  std::string summed;
  for (char letter : terms)
    if (!output.contains(letter))
      summed += letter;
  bool fits = type && maskType && static_cast<int64_t>(terms.size()) == type.getRank() &&
              static_cast<int64_t>(mask.size()) == maskType.getRank() && summed.size() == 2 &&
              llvm::all_of(summed, [&](char letter) { return mask.contains(letter); });
  StringRef groups = output.drop_back(2);
  char token = output[output.size() - 2];
  fits = fits && !terms.contains(token) && mask.contains(token) && terms.contains(feature) &&
         llvm::all_of(groups, [&](char letter) { return terms.contains(letter) && mask.contains(letter); });
  if (!fits)
    return refuse(Reason("it does not sum over places and experts of groups of rows")) || true;
  // Which of the two is experts shows in their matrices.
  Reason firstWhy;
  for (char expertLetter : summed) {
    char placeLetter = summed[expertLetter == summed[0]];
    why = Reason();
    chain.clear();
    layouts.clear();
    arranged.clear();
    rowOperands.clear();
    rowSizes.clear();
    dispatch.reset();
    answersLayout.clear();
    answers = all;
    slots = std::make_unique<ExpertSlots>(root);
    auto axisOf = [&](char letter) -> Axes {
      return {letter == feature                          ? int(kFeature)
              : letter == expertLetter                   ? int(kSum)
              : letter == placeLetter || letter == token ? static_cast<int>(groups.size())
                                                         : static_cast<int>(groups.find(letter))};
    };
    for (char letter : groups) {
      rowSizes.push_back(type.getDimSize(terms.find(letter)));
      slots->rowSizes.push_back(maskType.getDimSize(mask.find(letter)));
    }
    rowSizes.push_back(type.getDimSize(terms.find(placeLetter)));
    slots->rowSizes.push_back(maskType.getDimSize(mask.find(token)));
    sumSize = slots->sumSize = type.getDimSize(terms.find(expertLetter));
    if (ShapedType::isDynamic(sumSize) || sumSize < 2) {
      firstWhy = firstWhy.empty() ? Reason("how many experts there are is not known") : firstWhy;
      continue;
    }
    for (char letter : terms)
      answersLayout.push_back(axisOf(letter));
    factorLayout.clear();
    for (char letter : mask)
      factorLayout.push_back(letter == placeLetter ? Axes{kFeature} : axisOf(letter));
    followMoves();
    if (!buildExpert(0)) {
      firstWhy = firstWhy.empty() ? why : firstWhy;
      continue;
    }
    numExperts = sumSize;
    if (!dispatch)
      refuse(Reason("no rows are put in places of experts"));
    else if (!slots->prove({combined, factorLayout}, *dispatch))
      why = slots->why;
    return matchChain();
  }
  why = firstWhy;
  return true;
}

Value ExpertSum::translateDispatch(Operation *op, unsigned index, const ExpertSlots::Laid &rows,
                                   const ExpertSlots::Laid &mask) {
  if (dispatch && (dispatch->value != mask.value || dispatch->layout != mask.layout))
    return refused(op, "puts rows in other places than others do");
  dispatch = mask;
  Value &whole = arranged[{op->getOperand(index), static_cast<int>(Frame::Rows)}];
  if (!whole)
    whole = slots->arrange(outside, rows.value, rows.layout, axesOf(Frame::Rows));
  if (!whole)
    return refused(op, "takes rows of a shape that is not known");
  typedSizes = llvm::to_vector(rankedType(whole).getShape().drop_back());
  rowOperands.insert(whole);
  unsigned number = llvm::find(rowOperands, whole) - rowOperands.begin();
  if (number == body->getNumArguments())
    body->addArgument(whole.getType(), root->getLoc());
  return body->getArgument(number);
}

} // namespace mlir::ac
