//===- ImportTest.cpp - The importer as a library -------------------------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ac/Import/ONNX.h"
#include "mlir/IR/AsmState.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/DialectResourceBlobManager.h"
#include "mlir/IR/MLIRContext.h"
#include "onnx/onnx_pb.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "gmock/gmock.h"
#include <fstream>

using namespace mlir;
using testing::ElementsAre;
using testing::HasSubstr;

namespace {

/// A model with one operator after the other, from `x` to `y`.
std::string chain(const std::string &nodes) {
  return "<ir_version: 9, opset_import: [\"\" : 20]> g (float[n] x) => (float[n] y) {" + nodes + "}";
}

std::vector<std::string> operators(ModuleOp module) {
  std::vector<std::string> names;
  module.walk([&](Operation *op) {
    if (op->getName().getDialectNamespace() == "onnx" && op->getNumOperands())
      names.push_back(op->getName().stripDialect().str());
  });
  return names;
}

TEST(Import, ExpandsTheFunctionsThatAreNotKept) {
  MLIRContext context;
  ac::ImportOptions options;
  options.keepFunction = [](StringRef, StringRef opType) { return opType != "Softplus"; };
  auto module = ac::importONNXBytes(chain("h = Celu(x) y = Softplus(h)"), "", &context, options);
  ASSERT_TRUE(module);
  EXPECT_EQ(operators(*module).front(), "Celu");
  EXPECT_THAT(operators(*module), testing::Not(testing::Contains("Softplus")));
  EXPECT_THAT(operators(*module), testing::Contains("Exp"));
}

TEST(Import, ReportsThroughTheContext) {
  MLIRContext context;
  std::string message;
  ScopedDiagnosticHandler handler(&context, [&](Diagnostic &diagnostic) {
    message += diagnostic.str();
    return success();
  });
  EXPECT_FALSE(ac::importONNXBytes("not a model", "", &context, {}, "the-file"));
  EXPECT_THAT(message, HasSubstr("the-file: this is no ONNX model"));
  message.clear();
  EXPECT_FALSE(ac::importONNX("/nowhere/model.onnx", &context));
  EXPECT_THAT(message, HasSubstr("/nowhere/model.onnx: cannot read the model"));
}

TEST(Import, LeavesExternalWeightsInTheirFile) {
  llvm::SmallString<128> folder;
  ASSERT_FALSE(llvm::sys::fs::createUniqueDirectory("accordion-import", folder));
  std::vector<float> weights(64 * 1024);
  for (size_t i = 0; i < weights.size(); ++i)
    weights[i] = i;
  std::ofstream((folder + "/weights.bin").str(), std::ios::binary)
      .write(reinterpret_cast<const char *>(weights.data()), weights.size() * sizeof(float));

  ::onnx::ModelProto model;
  model.set_ir_version(9);
  model.add_opset_import()->set_version(20);
  auto &graph = *model.mutable_graph();
  graph.set_name("g");
  auto &node = *graph.add_node();
  node.set_op_type("Neg");
  node.add_input("w");
  node.add_output("y");
  graph.add_output()->set_name("y");
  auto &tensor = *graph.add_initializer();
  tensor.set_name("w");
  tensor.set_data_type(::onnx::TensorProto::FLOAT);
  tensor.add_dims(weights.size());
  tensor.set_data_location(::onnx::TensorProto::EXTERNAL);
  auto &entry = *tensor.add_external_data();
  entry.set_key("location");
  entry.set_value("weights.bin");

  MLIRContext context;
  auto module = ac::importONNXBytes(model.SerializeAsString(), folder, &context);
  ASSERT_TRUE(module);
  // The file may go: the map lives as long as the context.
  llvm::sys::fs::remove_directories(folder);
  unsigned found = 0;
  module->walk([&](Operation *op) {
    if (auto value = op->getAttrOfType<DenseResourceElementsAttr>("value")) {
      ++found;
      AsmResourceBlob *blob = value.getRawHandle().getBlob();
      ASSERT_NE(blob, nullptr);
      EXPECT_EQ(blob->getDataAs<float>(), ArrayRef<float>(weights));
      EXPECT_FALSE(blob->isMutable());
    }
  });
  EXPECT_EQ(found, 1u);
}

} // namespace
