//===- ExpertSlots.cpp - Rows that were given places with experts ---------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Raise/ExpertSlots.h"
#include <cmath>

namespace mlir::ac {

bool ExpertSlots::refuse(const Twine &reason, Operation *at) {
  if (why.empty())
    why = Reason(reason, at);
  return false;
}

bool ExpertSlots::refuseNode(Value value, const Twine &reason) {
  Operation *op = value.getDefiningOp();
  return op ? refuse(describe(op) + " " + reason, op) : refuse("an input of the model " + reason);
}

//===----------------------------------------------------------------------===//
// Sums of products
//===----------------------------------------------------------------------===//

static bool isFloat(Value value) { return isa<FloatType>(rankedType(value).getElementType()); }
static bool isFlag(Value value) { return rankedType(value).getElementType().isInteger(1); }

/// Whether a constant is [0, 1], in whatever type.
static bool isZeroOne(Value value) {
  if (auto ints = constantInts(value))
    return *ints == SmallVector<int64_t>{0, 1};
  Operation *op = value.getDefiningOp();
  auto dense = op && operatorOf(op) == "Constant"
                   ? dyn_cast_if_present<DenseElementsAttr>(op->getAttrOfType<ElementsAttr>("value"))
                   : DenseElementsAttr();
  if (!dense || dense.getNumElements() != 2 || !isa<FloatType>(dense.getElementType()))
    return false;
  auto values = llvm::to_vector(dense.getValues<APFloat>());
  return values[0].isPosZero() && values[1].convertToDouble() == 1.0;
}

ExpertSlots::Factor ExpertSlots::factor(Value value, const Layout &layout) {
  auto [found, isNew] = ids.try_emplace({classes.of(value), layout}, ids.size());
  return {{value, layout}, found->second};
}

SmallVector<unsigned> ExpertSlots::idsOf(const Term &term) {
  SmallVector<unsigned> all = llvm::map_to_vector(term, [](const Factor &own) { return own.id; });
  llvm::sort(all);
  all.erase(llvm::unique(all), all.end());
  return all;
}

bool ExpertSlots::isWithin(const Term &part, const Term &whole) {
  return llvm::all_of(part, [&](const Factor &own) {
    return llvm::any_of(whole, [&](const Factor &other) { return own.id == other.id; });
  });
}

bool ExpertSlots::isBinary(const Factor &own) const {
  return isFlag(own.value) ||
         (operatorOf(own.value) == "OneHot" && isZeroOne(own.value.getDefiningOp()->getOperand(2)));
}

/// The two operands that an operation multiplies element by element.
std::optional<std::pair<ExpertSlots::Laid, ExpertSlots::Laid>> ExpertSlots::productOf(Operation *op,
                                                                                      const Layout &layout) {
  StringRef name = operatorOf(op);
  if (op->getNumOperands() != 2 || !rankedType(op->getOperand(0)) || !rankedType(op->getOperand(1)))
    return std::nullopt;
  Laid sides[2];
  if (name == "Mul" || name == "And") {
    for (unsigned i : {0u, 1u})
      sides[i] = {op->getOperand(i), broadcast(layout, rankedType(op->getOperand(i)))};
    return std::pair(sides[0], sides[1]);
  }
  std::string text = name == "Einsum" ? equationOfTwo(op) : "";
  if (text.empty() || StringRef(text).contains('.') || !StringRef(text).contains("->"))
    return std::nullopt;
  auto [inputs, output] = StringRef(text).split("->");
  auto [first, second] = inputs.split(',');
  for (unsigned i : {0u, 1u}) {
    StringRef term = i ? second : first;
    sides[i].value = op->getOperand(i);
    for (char letter : term) {
      // Nothing is summed, nothing is a diagonal.
      size_t at = output.find(letter);
      if (at == StringRef::npos || at >= layout.size() || term.count(letter) != 1)
        return std::nullopt;
      sides[i].layout.push_back(layout[at]);
    }
  }
  return std::pair(sides[0], sides[1]);
}

ExpertSlots::Terms ExpertSlots::expand(Value value, const Layout &layout, int depth) {
  Terms leaf{{factor(value, layout)}};
  Operation *op = value.getDefiningOp();
  if (!op || op->getNumRegions() != 0 || op->getNumOperands() == 0 || depth == 0 || !rankedType(op->getOperand(0)))
    return leaf;
  StringRef name = operatorOf(op);
  if (name == "Cast") {
    // Zero and one are the same in all types; other numbers may be rounded.
    Terms inner = expand(op->getOperand(0), layout, depth - 1);
    bool isExact = inner.size() == 1 && llvm::all_of(inner.front(), [&](const Factor &own) { return isBinary(own); });
    return isExact || (!isFloat(op->getOperand(0)) && isFloat(value)) ? inner : leaf;
  }
  if (auto before = throughMove(op, layout))
    return expand(op->getOperand(0), *before, depth - 1);
  if (auto sides = productOf(op, layout)) {
    Terms left = expand(sides->first.value, sides->first.layout, depth - 1);
    Terms right = expand(sides->second.value, sides->second.layout, depth - 1), all;
    if (left.size() * right.size() > 16)
      return leaf;
    for (const Term &one : left)
      for (const Term &other : right) {
        all.push_back(one);
        llvm::append_range(all.back(), other);
      }
    return all;
  }
  if (name == "Add" && isFloat(value) && rankedType(op->getOperand(1))) {
    Terms all;
    for (Value operand : op->getOperands())
      llvm::append_range(all, expand(operand, broadcast(layout, rankedType(operand)), depth - 1));
    return all.size() <= 16 ? all : leaf;
  }
  if (name == "Where" && isZero(op->getOperand(2)) && rankedType(op->getOperand(1))) {
    Terms all = expand(op->getOperand(1), broadcast(layout, rankedType(op->getOperand(1))), depth - 1);
    for (Term &term : all)
      term.push_back(factor(op->getOperand(0), broadcast(layout, rankedType(op->getOperand(0)))));
    return all;
  }
  return leaf;
}

std::optional<ExpertSlots::Laid> ExpertSlots::sumOver(Value value, const Layout &layout, int axis) {
  Operation *op = value.getDefiningOp();
  auto from = op && operatorOf(op) == "ReduceSum" ? rankedType(op->getOperand(0)) : RankedTensorType();
  auto axes = from ? normalized(intsOf(op, "axes", 1), from.getRank()) : std::nullopt;
  if (!axes || axes->size() != 1)
    return std::nullopt;
  Layout own(layout);
  if (!intOf(op, "keepdims", 1))
    own.insert(own.begin() + axes->front(), Axes());
  if (!own[axes->front()].empty())
    return std::nullopt;
  own[axes->front()] = {axis};
  // Which axis it is, its size must not contradict.
  int64_t size = axis == kSum ? sumSize : rowSizes[axis], given = from.getDimSize(axes->front());
  if (holds(layout, axis) || (size != given && !ShapedType::isDynamic(size) && !ShapedType::isDynamic(given)))
    return std::nullopt;
  return Laid{op->getOperand(0), own};
}

std::optional<ExpertSlots::Code> ExpertSlots::codeAlong(Value value, Layout layout, int axis) {
  Code code;
  while (Operation *op = value.getDefiningOp()) {
    StringRef name = operatorOf(op);
    auto at = llvm::find(layout, Axes{axis}) - layout.begin();
    if (op->getNumOperands() == 0 || at == static_cast<int64_t>(layout.size()))
      return std::nullopt;
    auto type = rankedType(value);
    if (!type || !rankedType(op->getOperand(0)))
      return std::nullopt;
    if (!type.isDynamicDim(at))
      code.bound = std::min(code.bound.value_or(type.getDimSize(at)), type.getDimSize(at));
    if (name == "OneHot") {
      int64_t rank = type.getRank(), own = intOf(op, "axis", -1);
      if (own + (own < 0 ? rank : 0) != at || !isZeroOne(op->getOperand(2)))
        return std::nullopt;
      if (type.isDynamicDim(at))
        code.depth = op->getOperand(1);
      layout.erase(layout.begin() + at);
      code.number = {op->getOperand(0), layout};
      return code;
    }
    if (name == "Equal" && rankedType(op->getOperand(1))) {
      for (unsigned i : {0u, 1u}) {
        // Counts from zero along the axis, and along that alone.
        Value list = op->getOperand(i);
        Layout own = broadcast(layout, rankedType(list)), other = broadcast(layout, rankedType(op->getOperand(1 - i)));
        while (Operation *move = list.getDefiningOp()) {
          auto before = throughMove(move, own);
          if (!before)
            break;
          list = move->getOperand(0);
          own = *before;
        }
        auto ints = constantInts(list);
        Operation *range = list.getDefiningOp();
        bool isRange = range && operatorOf(range) == "Range" && constantNumber(range->getOperand(0)) == 0.0 &&
                       constantNumber(range->getOperand(2)) == 1.0;
        bool counts = ints && llvm::all_of(llvm::enumerate(*ints), [](auto pair) {
                        return static_cast<int64_t>(pair.index()) == pair.value();
                      });
        if ((!counts && !isRange) || !holds(own, axis) || holds(other, axis))
          continue;
        if (isRange && type.isDynamicDim(at))
          code.depth = range->getOperand(1);
        code.number = {op->getOperand(1 - i), other};
        return code;
      }
      return std::nullopt;
    }
    if (name == "Slice") {
      // The first few places.
      auto from = rankedType(op->getOperand(0));
      auto starts = intsOf(op, "starts", 1), ends = intsOf(op, "ends", 2), steps = intsOf(op, "steps", 4);
      bool hasAxes = op->getNumOperands() <= 3 || !isa<NoneType>(op->getOperand(3).getType());
      auto axes = hasAxes ? normalized(intsOf(op, "axes", 3), from.getRank()) : std::nullopt;
      if (!starts || !ends || !axes || *axes != SmallVector<int64_t>{at} || starts->front() != 0 ||
          ends->front() <= 0 || (steps && steps->front() != 1))
        return std::nullopt;
      code.bound = std::min(code.bound.value_or(ends->front()), ends->front());
      value = op->getOperand(0);
      continue;
    }
    auto before = name == "Cast" && isFloat(op->getOperand(0)) ? std::nullopt : throughMove(op, layout);
    if (!before)
      return std::nullopt;
    value = op->getOperand(0);
    layout = *before;
  }
  return std::nullopt;
}

ExpertSlots::Term ExpertSlots::simplify(const Term &term) {
  Term result;
  auto add = [&](const Factor &own) {
    if (!isBinary(own) || !llvm::is_contained(idsOf(result), own.id))
      result.push_back(own);
  };
  for (const Factor &own : term) {
    // Of a sum over experts times the choice of one expert, that expert's summand is left.
    auto sum = sumOver(own.value, own.layout, kSum);
    Terms summands = sum ? expand(sum->value, sum->layout) : Terms();
    auto isChoice = [&](const Factor &choice) {
      return isWithin({choice}, term) && holds(choice.layout, kSum) && codeAlong(choice.value, choice.layout, kSum);
    };
    if (summands.size() == 1 && llvm::any_of(summands.front(), isChoice))
      llvm::for_each(summands.front(), add);
    else
      add(own);
  }
  return result;
}

bool ExpertSlots::isOne(Value value, const Layout &layout, const Term &support) {
  Terms terms = expand(value, layout);
  if (terms.size() != 1)
    return false;
  // A sum over experts is one where the choice is one of its factors.
  Term whole = terms.front();
  for (const Factor &own : support)
    if (isBinary(own))
      whole.push_back(own);
  Term simple = simplify(whole);
  return llvm::all_of(simple, [&](const Factor &own) { return isBinary(own) && isWithin({own}, support); });
}

bool ExpertSlots::vanishes(Value value, const Layout &layout, unsigned id, int depth) {
  if (depth == 0)
    return false;
  if (llvm::all_of(expand(value, layout), [&](const Term &term) { return llvm::is_contained(idsOf(term), id); }))
    return true;
  Operation *op = value.getDefiningOp();
  auto sides = op ? productOf(op, layout) : std::nullopt;
  return sides && (vanishes(sides->first.value, sides->first.layout, id, depth - 1) ||
                   vanishes(sides->second.value, sides->second.layout, id, depth - 1));
}

//===----------------------------------------------------------------------===//
// Places
//===----------------------------------------------------------------------===//

std::optional<ExpertSlots::Place> ExpertSlots::counted(Value mask, const Layout &layout, const Term &support,
                                                       bool inclusive) {
  Terms terms = expand(mask, layout);
  if (terms.size() != 1 || !llvm::all_of(terms.front(), [&](const Factor &own) { return isBinary(own); }) ||
      !isWithin(terms.front(), support))
    return std::nullopt;
  Place place;
  place.counted = idsOf(terms.front());
  place.start = inclusive;
  return place;
}

/// Adds what is the same for all rows.
bool ExpertSlots::addTo(Place &place, Value value, const Layout &layout) {
  if (auto number = constantNumber(throughMoves(value, true, true)); number && std::floor(*number) == *number) {
    place.start += static_cast<int64_t>(*number);
    return true;
  }
  Laid own{value, layout};
  while (Operation *op = own.value.getDefiningOp()) {
    if (auto sum = sumOver(own.value, own.layout, token())) {
      Terms terms = expand(sum->value, sum->layout);
      if (terms.size() != 1 || !llvm::all_of(terms.front(), [&](const Factor &one) { return isBinary(one); }))
        return false;
      place.behind.push_back(terms.front());
      return true;
    }
    auto before = throughMove(op, own.layout);
    if (!before || (operatorOf(op) == "Cast" && isFlag(own.value)))
      return false;
    own = {op->getOperand(0), *before};
  }
  return false;
}

std::optional<ExpertSlots::Place> ExpertSlots::placeOf(Value value, const Layout &layout, const Term &support,
                                                       int depth) {
  Operation *op = value.getDefiningOp();
  if (!op || op->getNumOperands() == 0 || depth == 0 || !rankedType(op->getOperand(0)) || isFlag(value))
    return std::nullopt;
  StringRef name = operatorOf(op);
  auto axisAt = [&](Value axis, int64_t rank) {
    auto given = constantInts(axis);
    int64_t at = given && given->size() == 1 ? given->front() : rank;
    return at + (at < 0 ? rank : 0);
  };
  int64_t at = llvm::find(layout, Axes{token()}) - layout.begin(), rank = layout.size();
  if (name == "CumSum" && at < rank && !intOf(op, "reverse", 0) && axisAt(op->getOperand(1), rank) == at)
    return counted(op->getOperand(0), layout, support, !intOf(op, "exclusive", 0));
  if (name == "Slice") {
    // All but the last of the sums behind a zero.
    Operation *sums = op->getOperand(0).getDefiningOp();
    Operation *pad = sums && operatorOf(sums) == "CumSum" ? sums->getOperand(0).getDefiningOp() : nullptr;
    auto starts = intsOf(op, "starts", 1), ends = intsOf(op, "ends", 2), steps = intsOf(op, "steps", 4);
    auto axes = normalized(intsOf(op, "axes", 3), rank);
    bool dropsLast = starts && ends && axes && *starts == SmallVector<int64_t>{0} &&
                     *ends == SmallVector<int64_t>{-1} && *axes == SmallVector<int64_t>{at} &&
                     (!steps || *steps == SmallVector<int64_t>{1});
    auto mode = pad && operatorOf(pad) == "Pad" ? pad->getAttrOfType<StringAttr>("mode") : StringAttr();
    if (!dropsLast || !pad || operatorOf(pad) != "Pad" || (mode && mode.getValue() != "constant") ||
        intOf(sums, "reverse", 0) || intOf(sums, "exclusive", 0) || axisAt(sums->getOperand(1), rank) != at ||
        (pad->getNumOperands() > 3 && !isa<NoneType>(pad->getOperand(3).getType())) ||
        (pad->getNumOperands() > 2 && !isa<NoneType>(pad->getOperand(2).getType()) && !isZero(pad->getOperand(2))))
      return std::nullopt;
    auto pads = knownInts(pad->getOperand(1));
    SmallVector<int64_t> wanted(2 * rank, 0);
    wanted[at] = 1;
    return pads == wanted ? counted(pad->getOperand(0), layout, support, false) : std::nullopt;
  }
  if (name == "Cast")
    return placeOf(op->getOperand(0), layout, support, depth - 1);
  if (auto before = throughMove(op, layout))
    return placeOf(op->getOperand(0), *before, support, depth - 1);
  if (auto sides = productOf(op, layout)) {
    const auto &[left, right] = *sides;
    if (isOne(right.value, right.layout, support))
      return placeOf(left.value, left.layout, support, depth - 1);
    if (isOne(left.value, left.layout, support))
      return placeOf(right.value, right.layout, support, depth - 1);
    return std::nullopt;
  }
  if (auto sum = sumOver(value, layout, kSum)) {
    for (const Factor &choice : support)
      if (isBinary(choice) && holds(choice.layout, kSum) && codeAlong(choice.value, choice.layout, kSum) &&
          vanishes(sum->value, sum->layout, choice.id))
        return placeOf(sum->value, sum->layout, support, depth - 1);
    return std::nullopt;
  }
  if ((name != "Add" && name != "Sub") || !rankedType(op->getOperand(1)))
    return std::nullopt;
  auto laid = [&](unsigned i) { return broadcast(layout, rankedType(op->getOperand(i))); };
  if (name == "Sub") {
    auto place = placeOf(op->getOperand(0), laid(0), support, depth - 1);
    auto number = constantNumber(throughMoves(op->getOperand(1), true, true));
    if (!place || (number && std::floor(*number) != *number))
      return std::nullopt;
    if (!number && !isOne(op->getOperand(1), laid(1), support))
      return std::nullopt;
    place->start -= static_cast<int64_t>(number.value_or(1.0));
    return place;
  }
  for (unsigned i : {0u, 1u}) {
    auto place = placeOf(op->getOperand(i), laid(i), support, depth - 1);
    if (place && addTo(*place, op->getOperand(1 - i), laid(1 - i)))
      return place;
  }
  return std::nullopt;
}

bool ExpertSlots::countsAll(const Term &count, const Term &term, const Place &place) {
  Term mask;
  for (const Factor &own : term)
    if (llvm::is_contained(place.counted, own.id))
      mask.push_back(own);
  if (!isWithin(mask, count))
    return false;
  // Besides, that a place is below a bound: rows that have one are the first ones that are counted.
  for (const Factor &own : count) {
    if (llvm::is_contained(place.counted, own.id))
      continue;
    Operation *op = own.value.getDefiningOp();
    StringRef name = op ? operatorOf(op) : StringRef();
    bool less = name == "Less" || name == "LessOrEqual", greater = name == "Greater" || name == "GreaterOrEqual";
    if (!isWithin({own}, term) || (!less && !greater) || !hasOneElement(op->getOperand(less ? 1 : 0)))
      return false;
    Value other = op->getOperand(less ? 0 : 1);
    auto otherPlace = rankedType(other) ? placeOf(other, broadcast(own.layout, rankedType(other)), mask) : std::nullopt;
    if (!otherPlace || otherPlace->counted != place.counted)
      return false;
  }
  return true;
}

bool ExpertSlots::isBefore(const Term &first, const Place &firstPlace, const Place &second) {
  if (second.start < firstPlace.start)
    return false;
  Terms left = second.behind;
  for (const Term &common : firstPlace.behind) {
    auto same = llvm::find_if(left, [&](const Term &term) { return idsOf(term) == idsOf(common); });
    if (same == left.end())
      return false;
    left.erase(same);
  }
  return llvm::any_of(left, [&](const Term &count) { return countsAll(count, first, firstPlace); });
}

//===----------------------------------------------------------------------===//
// The proof
//===----------------------------------------------------------------------===//

bool ExpertSlots::prove(const Laid &combine, const Laid &dispatch) {
  // Where a row is dispatched: wherever it is combined, or by codes of its own.
  auto bare = [&](Laid own, bool &isFlagOf) {
    while (Operation *op = own.value.getDefiningOp()) {
      StringRef name = operatorOf(op);
      bool toFlag = name == "Cast" && isFlag(own.value) && rankedType(op->getOperand(0)) && isFloat(op->getOperand(0));
      auto before =
          name == "Cast" && !toFlag && isFloat(op->getOperand(0)) ? std::nullopt : throughMove(op, own.layout);
      if (!before)
        break;
      isFlagOf |= toFlag;
      own = {op->getOperand(0), *before};
    }
    return factor(own.value, own.layout).id;
  };
  bool isFlagOf = false, ignored = false;
  unsigned dispatched = bare(dispatch, isFlagOf), combined = bare(combine, ignored);
  bool isSame = isFlagOf && dispatched == combined;

  if (!takeApart(expand(combine.value, combine.layout), products))
    return false;
  std::vector<Product> sent;
  if (isSame)
    sent = products;
  else if (!takeApart(expand(dispatch.value, dispatch.layout), sent))
    return false;

  std::vector<Place> places;
  for (const Product &product : sent) {
    Term support;
    for (const Factor &own : product.factors) {
      if (isBinary(own))
        support.push_back(own);
      else if (!isSame)
        return refuseNode(own.value, "scales what experts are given");
    }
    if (!product.place) {
      // Places that say which row they take are taken by nobody else.
      if (sent.size() == 1)
        continue;
      return refuseNode(combine.value, "mixes places that rows take with places that take rows");
    }
    auto place = placeOf(product.place->number.value, product.place->number.layout, support);
    if (!place)
      return refuseNode(product.place->number.value, "does not count the rows that chose the same expert before");
    if (place->start < 0)
      return refuseNode(product.place->number.value, "may be below zero");
    places.push_back(*place);
  }
  for (unsigned i = 0; i < places.size(); ++i)
    for (unsigned j = 0; j < i; ++j)
      if (!isBefore(sent[i].factors, places[i], places[j]) && !isBefore(sent[j].factors, places[j], places[i]))
        return refuseNode(sent[i].place->number.value, "does not start behind the rows of the choice before");

  auto samePlace = [&](const Product &one, const Product &other) {
    auto idOf = [&](const Product &own) { return factor(own.place->number.value, own.place->number.layout).id; };
    return one.place.has_value() == other.place.has_value() && (!one.place || idOf(one) == idOf(other));
  };
  if (!isSame)
    for (const Product &product : products)
      if (llvm::none_of(sent, [&](const Product &own) {
            return isWithin(own.factors, product.factors) && samePlace(own, product);
          }))
        return refuseNode(combine.value, "takes answers to rows that experts were not given");
  return true;
}

/// Products with the code of a row's place apart from the other factors, or with one of the row that a place takes.
bool ExpertSlots::takeApart(const Terms &terms, std::vector<Product> &list) {
  for (const Term &term : terms) {
    Product product;
    Term simple = simplify(term);
    bool takesRows = llvm::any_of(simple, [&](const Factor &own) {
      return holds(own.layout, token()) && codeAlong(own.value, own.layout, token());
    });
    for (const Factor &own : simple) {
      auto code = !takesRows && holds(own.layout, kFeature) ? codeAlong(own.value, own.layout, kFeature) : std::nullopt;
      if (takesRows || !holds(own.layout, kFeature))
        product.factors.push_back(own);
      else if (!code || product.place)
        return refuseNode(own.value, "is no code of a row's place with an expert");
      else
        product.place = code;
    }
    if (!takesRows && !product.place)
      return refuseNode(term.front().value, "does not say which place a row has");
    list.push_back(product);
  }
  return true;
}

Value ExpertSlots::weights(OpBuilder &b, Type element) {
  SmallVector<int> axes = llvm::to_vector(llvm::seq<int>(0, rowSizes.size()));
  axes.push_back(kSum);
  auto wide = [&](ArrayRef<int64_t> one, ArrayRef<int64_t> other) {
    SmallVector<int64_t> shape;
    for (auto [x, y] : llvm::zip(one, other))
      shape.push_back(x == 1 ? y : y == 1 ? x : ShapedType::isDynamic(x) ? y : x);
    return shape;
  };
  auto combine = [&](StringRef name, Value x, Value y) {
    auto shape = wide(rankedType(x).getShape(), rankedType(y).getShape());
    return make(b, loc, name, RankedTensorType::get(shape, element), {x, y});
  };
  Value total;
  for (const Product &own : products) {
    Value product;
    auto multiply = [&](Value factor) {
      factor = makeCast(b, loc, factor, element);
      product = product ? combine("Mul", product, factor) : factor;
    };
    SmallVector<int> withPlaces(axes);
    if (!own.place)
      withPlaces.push_back(kFeature);
    for (const Factor &factor : own.factors) {
      Value arranged = arrange(b, factor.value, factor.layout, withPlaces);
      if (!arranged)
        return {};
      multiply(arranged);
    }
    if (own.place) {
      // That there is such a place: it is not below zero where the other factors are not zero.
      Value number = arrange(b, own.place->number.value, own.place->number.layout, axes);
      if (!number)
        return {};
      auto below = [&](Value bound) {
        bound = makeCast(b, loc, bound, rankedType(number).getElementType());
        auto type = RankedTensorType::get(rankedType(number).getShape(), b.getI1Type());
        multiply(make(b, loc, "Less", type, {number, bound}));
      };
      if (own.place->bound)
        below(makeInts(b, loc, {}, {*own.place->bound}));
      if (own.place->depth)
        below(own.place->depth);
    } else {
      auto type = rankedType(product);
      product = make(b, loc, "ReduceSum", RankedTensorType::get(type.getShape().drop_back(), element),
                     {product, makeInts(b, loc, {1}, type.getRank() - 1)}, intAttribute(b, "keepdims", 0));
    }
    total = total ? combine("Add", total, product) : product;
  }
  auto shape = llvm::to_vector(rowSizes);
  shape.push_back(sumSize);
  for (auto [own, wanted] : llvm::zip(rankedType(total).getShape(), shape))
    if (own == 1 && wanted != 1)
      return {};
  // Inference may not know that there is one for each expert: a product with as many ones says so, and is checked.
  if (ShapedType::isDynamic(rankedType(total).getShape().back()) && !ShapedType::isDynamic(sumSize)) {
    SmallVector<int64_t> units(rowSizes.size(), 1);
    units.push_back(sumSize);
    auto type = RankedTensorType::get(units, element);
    auto one = DenseElementsAttr::get(type, b.getFloatAttr(element, 1.0));
    total = combine("Mul", total, make(b, loc, "Constant", type, {}, b.getNamedAttr("value", one)));
  }
  return total;
}

} // namespace mlir::ac
