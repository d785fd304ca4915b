//===- ExpertOps.cpp - Operations on all experts, written for one ---------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Raise/ExpertSum.h"
#include "Raise/RowRegion.h"
#include <map>

namespace mlir::ac {

Value ExpertSum::refused(Operation *op, const Twine &reason) {
  if (why.empty())
    why = Reason(describe(op) + " " + reason, op);
  return {};
}

Value ExpertSum::clone(Operation *op, unsigned number, ValueRange operands, ArrayRef<NamedAttribute> changed,
                       const Layout &layout, Frame frame) {
  OperationState state(op->getLoc(), op->getName());
  state.addOperands(operands);
  state.addAttributes(op->getAttrs());
  for (NamedAttribute attribute : changed) {
    state.attributes.erase(attribute.getName());
    if (!isa<UnitAttr>(attribute.getValue()))
      state.addAttribute(attribute.getName(), attribute.getValue());
  }
  for (Value result : op->getResults())
    state.addTypes(typeFor(result, layout, frame));
  OpBuilder b = inside();
  Operation *made = b.create(state);
  for (auto [from, to] : llvm::zip(op->getResults(), made->getResults()))
    done[{from, static_cast<int>(frame)}] = to;
  return made->getResult(number);
}

Value ExpertSum::sliceOf(Value value, int64_t dimension) {
  OpBuilder b = inside();
  auto type = rankedType(value);
  SmallVector<int64_t> shape(type.getShape());
  shape.erase(shape.begin() + dimension);
  return make(b, root->getLoc(), "Gather", RankedTensorType::get(shape, type.getElementType()),
              {value, makeInts(b, root->getLoc(), {}, expert)}, intAttribute(b, "axis", dimension));
}

Value ExpertSum::translate(Value value, const Layout &layout, Frame frame) {
  if (isa<NoneType>(value.getType()))
    return value;
  auto key = std::make_pair(value, static_cast<int>(frame));
  auto [seen, isNew] = layouts.try_emplace(key, layout);
  if (seen->second != layout)
    return refused(root, "uses a value in two ways");
  if (Value known = done.lookup(key))
    return known;
  Operation *op = value.getDefiningOp();
  SmallVector<int> axes = axesOf(frame);
  bool rows = holdsRows(layout), sum = holds(layout, kSum) || (singleChoice && isPicked(value));
  if (rows && sum) {
    if (!op || op->getBlock() != root->getBlock() || op->getNumRegions() != 0)
      return refused(root, "sums what is not made in this graph");
    chain.insert(op);
    Value made = translateOp(op, cast<OpResult>(value).getResultNumber(), layout, frame);
    if (made)
      done[key] = made;
    return made;
  }
  if (rows && kind == Kind::Slots)
    return refused(op ? op : root, "depends on the place that a row has with an expert");
  if (rows && frame == Frame::Matrix)
    return refused(op ? op : root, "has a matrix for each row that no choice of experts gave");
  OpBuilder b = inside();
  Value result;
  if (rows) {
    Value &whole = arranged[key];
    if (!whole)
      whole = arrange(outside, value, layout, axes);
    if (!whole)
      return refused(op ? op : root, "gives rows a shape that is not known");
    rowOperands.insert(whole);
    unsigned index = llvm::find(rowOperands, whole) - rowOperands.begin();
    if (index == body->getNumArguments())
      body->addArgument(whole.getType(), root->getLoc());
    result = body->getArgument(index);
  } else {
    // The same for all rows. Moves first, which say where the experts are.
    Value source = value;
    Layout own = layout;
    if (sum && kind == Kind::Choices)
      return refused(op ? op : root, "differs between choices, not experts");
    if (sum) {
      if (kind != Kind::Slots)
        kind = Kind::Experts;
      while (llvm::any_of(own, [](const Axes &axes) { return axes.size() > 1; })) {
        Operation *move = source.getDefiningOp();
        auto before = move && operatorOf(move) != "Cast" ? throughMove(move, own) : std::nullopt;
        if (!before)
          return refused(op ? op : root, "folds experts together with something else");
        source = move->getOperand(0);
        own = *before;
      }
      int64_t dimension =
          llvm::find_if(own, [](const Axes &axes) { return llvm::is_contained(axes, kSum); }) - own.begin();
      source = sliceOf(source, dimension);
      own.erase(own.begin() + dimension);
    }
    if (frame == Frame::Rows)
      axes = {kFeature};
    // A number or a vector fits as it is.
    auto type = rankedType(source);
    result = type.getRank() == 0 ? source : arrange(b, source, own, axes);
    if (!result)
      return refused(op ? op : root, "gives weights a shape that is not known");
  }
  done[key] = result;
  return result;
}

/// The dimension that holds features alone, or -1.
static int64_t onlyDimension(ArrayRef<SmallVector<int, 2>> layout, int axis) {
  for (auto [dim, own] : llvm::enumerate(layout))
    if (own.size() == 1 && own.front() == axis)
      return dim;
  return -1;
}

Value ExpertSum::translateMatMul(Operation *op, const Layout &layout) {
  auto left = rankedType(op->getOperand(0)), right = rankedType(op->getOperand(1));
  int64_t rank = layout.size();
  if (!left || !right || left.getRank() < 2 || right.getRank() < 2 || rank < 2)
    return refused(op, "multiplies vectors");
  Layout batch(layout.begin(), layout.end() - 2);
  auto with = [&](RankedTensorType type, const Axes &second, const Axes &last) {
    Layout own = broadcast(batch, RankedTensorType::get(type.getShape().drop_back(2), type.getElementType()));
    own.push_back(second);
    own.push_back(last);
    return own;
  };
  bool isLeft = onlyDimension(layout, kFeature) == rank - 1;
  if (!isLeft && onlyDimension(layout, kFeature) != rank - 2)
    return refused(op, "makes something else than features of rows");
  Layout rows, matrix;
  if (isLeft) {
    rows = with(left, layout[rank - 2], {kFeature});
    matrix = with(right, {kIn}, {kOut});
  } else {
    rows = with(right, {kFeature}, layout[rank - 1]);
    matrix = with(left, {kOut}, {kIn});
  }
  // Matrices first: they say what the sum is over.
  Value w = translate(op->getOperand(isLeft ? 1 : 0), matrix, Frame::Matrix);
  Value x = w ? translate(op->getOperand(isLeft ? 0 : 1), rows, Frame::Rows) : Value();
  if (!x)
    return {};
  OpBuilder b = inside();
  return make(b, op->getLoc(), "MatMul", typeFor(op->getResult(0), layout, Frame::Rows), {x, w});
}

Value ExpertSum::translateEinsum(Operation *op, const Layout &layout) {
  std::string text = equationOfTwo(op);
  if (text.empty())
    return refused(op, "does not multiply two tensors");
  auto [inputs, output] = StringRef(text).split("->");
  auto [first, second] = inputs.split(',');
  // An ellipsis is letters that no equation has.
  auto expand = [&](StringRef term, int64_t rank) {
    auto [before, after] = term.split("...");
    std::string full = before.str();
    if (term.contains("...")) {
      int64_t count = rank - before.size() - after.size();
      for (int64_t i = 0; i < count; ++i)
        full += static_cast<char>('0' + 10 - count + i);
      full += after;
    }
    return full;
  };
  std::string terms[2];
  for (unsigned i : {0u, 1u}) {
    auto type = rankedType(op->getOperand(i));
    terms[i] = type ? expand(i ? second : first, type.getRank()) : "";
    if (!type || static_cast<int64_t>(terms[i].size()) != type.getRank())
      return refused(op, "has an equation that does not fit its operands");
  }
  std::string result = expand(output, layout.size());
  if (result.size() != layout.size())
    return refused(op, "leaves its result out of the equation");
  std::map<char, Axes> axes;
  for (auto [letter, own] : llvm::zip(result, layout))
    axes[letter] = own;
  std::string summed;
  for (char letter : terms[0] + terms[1])
    if (!axes.count(letter) && !StringRef(summed).contains(letter))
      summed += letter;
  int64_t features = onlyDimension(layout, kFeature);
  if (features < 0 || summed.size() != 1)
    return refused(op, "does not sum over one index");
  char feature = result[features], inner = summed.front();
  bool matrixIsFirst = StringRef(terms[0]).contains(feature);
  StringRef of[2] = {terms[0], terms[1]};
  for (StringRef term : of)
    if (!term.contains(inner))
      return refused(op, "sums one operand alone");
  if (of[!matrixIsFirst ? 0 : 1].contains(feature))
    return refused(op, "has the features of both operands");
  if (kind == Kind::Slots) {
    // Rows by their places: neither operand is a matrix of an expert.
    for (unsigned i : {0u, 1u}) {
      Value rows = throughMoves(op->getOperand(i), true, true);
      int place = rowSizes.size() - 1;
      auto letterOf = [&](int axis) {
        auto found = llvm::find_if(axes, [&](const auto &own) { return own.second == Axes{axis}; });
        return found == axes.end() ? '\0' : found->first;
      };
      char placeLetter = letterOf(place), expertLetter = letterOf(kSum);
      if (!of[i].contains(feature) || of[i].contains(expertLetter) || of[i].contains(placeLetter) ||
          !of[1 - i].contains(expertLetter) || !of[1 - i].contains(placeLetter) || operatorOf(rows) == "Constant")
        continue;
      ExpertSlots::Laid laid[2];
      for (unsigned side : {0u, 1u}) {
        laid[side].value = op->getOperand(side);
        for (char letter : of[side])
          laid[side].layout.push_back(letter == inner         ? Axes{place}
                                      : letter == placeLetter ? Axes{kFeature}
                                                              : axes[letter]);
      }
      return translateDispatch(op, i, laid[i], laid[1 - i]);
    }
  }
  auto layoutOf = [&](unsigned i, int in, int out) {
    Layout own;
    auto type = rankedType(op->getOperand(i));
    for (auto [dim, letter] : llvm::enumerate(of[i]))
      own.push_back(letter == inner             ? Axes{in}
                    : letter == feature         ? Axes{out}
                    : type.getDimSize(dim) == 1 ? Axes()
                                                : axes[letter]);
    return own;
  };
  unsigned matrix = matrixIsFirst ? 0 : 1;
  Value w = translate(op->getOperand(matrix), layoutOf(matrix, kIn, kOut), Frame::Matrix);
  Value x = w ? translate(op->getOperand(1 - matrix), layoutOf(1 - matrix, kFeature, kFeature), Frame::Rows) : Value();
  if (!x)
    return {};
  OpBuilder b = inside();
  return make(b, op->getLoc(), "MatMul", typeFor(op->getResult(0), layout, Frame::Rows), {x, w});
}

Value ExpertSum::translateGather(Operation *op, const Layout &layout, Frame frame) {
  Value table = op->getOperand(0), indices = op->getOperand(1);
  auto type = rankedType(table), indexType = rankedType(indices);
  bool isND = operatorOf(op) == "GatherND";
  if (!type || !indexType || (isND ? intOf(op, "batch_dims", 0) != 0 : intOf(op, "axis", 0) != 0))
    return refused(op, "does not pick along the first dimension");
  int64_t count = indexType.getRank();
  if (isND && (count == 0 || indexType.getShape().back() != 1))
    return refused(op, "picks by more than the number of an expert");
  count -= isND;
  Layout picked(layout.begin(), layout.begin() + count), rest(layout.begin() + count, layout.end());
  if (holdsRows(rest) || holds(rest, kSum))
    return refused(op, "picks rows, not experts");
  if (kind == Kind::Experts || kind == Kind::Slots)
    return refused(op, "picks among experts that are all computed");
  if (frame == Frame::Matrix)
    kind = Kind::Choices;
  if (isND)
    picked.push_back({});
  if (!isChoice(indices, picked, type.getDimSize(0)))
    return {};
  if (type.isDynamicDim(0) || (numExperts && numExperts != type.getDimSize(0)))
    return refused(op, "picks from another number of experts than others do");
  numExperts = type.getDimSize(0);
  kind = Kind::Choices;
  OpBuilder b = inside();
  SmallVector<int> axes = axesOf(frame);
  if (frame == Frame::Rows)
    axes = {kFeature};
  Value result = arrange(b, sliceOf(table, 0), rest, axes);
  return result ? result : refused(op, "gives weights a shape that is not known");
}

Value ExpertSum::alongFeatures(Operation *op, unsigned number, const Layout &layout) {
  StringRef name = operatorOf(op);
  auto from = rankedType(op->getOperand(0));
  int64_t rank = layout.size(), features = onlyDimension(layout, kFeature), last = rowSizes.size();
  OpBuilder b = inside();
  auto single = [&](std::optional<SmallVector<int64_t>> axes, int64_t ofRank) -> std::optional<int64_t> {
    axes = normalized(axes, ofRank);
    return axes && axes->size() == 1 ? std::optional(axes->front()) : std::nullopt;
  };
  if (name.starts_with("Reduce")) {
    auto axis = single(intsOf(op, "axes", 1), from.getRank());
    bool keeps = intOf(op, "keepdims", 1);
    if (!axis || features >= 0 || (keeps && !layout[*axis].empty()))
      return refused(op, "reduces more than features");
    Layout own(layout);
    if (keeps)
      own[*axis] = {kFeature};
    else
      own.insert(own.begin() + *axis, {kFeature});
    Value x = translate(op->getOperand(0), own, Frame::Rows);
    NamedAttribute changed[] = {intAttribute(b, "keepdims", 1), b.getNamedAttr("axes", b.getUnitAttr())};
    return x ? clone(op, number, {x, makeInts(b, op->getLoc(), {1}, last)}, changed, layout, Frame::Rows) : Value();
  }
  SmallVector<Value> operands(op->getOperands());
  if (name == "Slice") {
    auto axis = single(isa<NoneType>(operands[3].getType()) ? std::nullopt : intsOf(op, "axes", 3), rank);
    if (!axis || *axis != features)
      return refused(op, "takes a part of something else than features");
    operands[3] = makeInts(b, op->getLoc(), {1}, last);
    operands[0] = translate(operands[0], layout, Frame::Rows);
    return operands[0] ? clone(op, number, operands, {}, layout, Frame::Rows) : Value();
  }
  int64_t axis = intOf(op, "axis", name == "Split" || name == "Concat" ? 0 : -1);
  axis += axis < 0 ? rank : 0;
  bool normalises = name.ends_with("Normalization");
  if (axis != features || (normalises && (number != 0 || features != rank - 1)))
    return refused(op, "works along something else than features");
  for (auto [i, operand] : llvm::enumerate(operands)) {
    // A scale for all experts; one for each is a product of its own.
    if (i > 0 && (normalises || name == "Split")) {
      if (normalises && !isa<NoneType>(operand.getType()) &&
          (!rankedType(operand) || rankedType(operand).getRank() != 1))
        return refused(op, "has a scale that is no vector");
      continue;
    }
    operand = translate(operand, layout, Frame::Rows);
    if (!operand)
      return {};
  }
  return clone(op, number, operands, intAttribute(b, "axis", last), layout, Frame::Rows);
}

Value ExpertSum::translateOp(Operation *op, unsigned number, const Layout &layout, Frame frame) {
  StringRef name = operatorOf(op);
  for (Value operand : op->getOperands())
    if (!isa<NoneType>(operand.getType()) && !rankedType(operand))
      return refused(op, "has an operand of unknown rank");
  if (name == "Gather" || name == "GatherND")
    return translateGather(op, layout, frame);
  if (name == "Cast") {
    Value x = translate(op->getOperand(0), layout, frame);
    return x ? clone(op, number, x, {}, layout, frame) : Value();
  }
  if (isElementwise(name)) {
    SmallVector<Value> operands;
    for (Value operand : op->getOperands()) {
      Value x = isa<NoneType>(operand.getType()) ? operand
                                                 : translate(operand, broadcast(layout, rankedType(operand)), frame);
      if (!x)
        return {};
      operands.push_back(x);
    }
    return clone(op, number, operands, {}, layout, frame);
  }
  if (auto before = throughMove(op, layout))
    return translate(op->getOperand(0), *before, frame);
  if (frame == Frame::Matrix)
    return refused(op, "makes matrices of experts in a way that is not known");
  if (name == "MatMul")
    return translateMatMul(op, layout);
  if (name == "Einsum")
    return translateEinsum(op, layout);
  static const StringRef along[] = {"Split",           "Slice", "Concat", "Softmax", "LogSoftmax", "LayerNormalization",
                                    "RMSNormalization"};
  if (llvm::is_contained(along, name) || name.starts_with("Reduce"))
    return alongFeatures(op, number, layout);
  return refused(op, "does not treat experts independently");
}

} // namespace mlir::ac
