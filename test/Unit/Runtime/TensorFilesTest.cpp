//===- TensorFilesTest.cpp - Unit tests of tensor files ---------*- C++ -*-===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "TensorFiles.h"
#include "Failure.h"
#include "Fixtures.h"
#include "Inflate.h"
#include "Npy.h"
#include "Npz.h"
#include "TensorProto.h"
#include "Types.h"
#include "WrittenByOthers.h"

#include <gmock/gmock.h>

#include <cstring>

using namespace accordion;
using testing::ElementsAre;
using testing::HasSubstr;

namespace {

template <typename T> std::vector<T> elements(const HostTensor &tensor) {
  EXPECT_EQ(typeSize(tensor.type), sizeof(T));
  const T *begin = reinterpret_cast<const T *>(tensor.data.data());
  return {begin, begin + tensor.bytes() / sizeof(T)};
}

template <size_t N> std::string text(const unsigned char (&bytes)[N]) {
  return std::string(reinterpret_cast<const char *>(bytes), N);
}

HostTensor tensorOf(AcType type, std::vector<int64_t> dims) {
  HostTensor tensor = makeTensor(type, dims, UINT64_MAX, "test");
  for (int64_t i = 0; i < tensor.bytes(); ++i)
    tensor.data.data()[i] = static_cast<char>(i * 37 + type);
  return tensor;
}

class TensorFilesTest : public FolderTest {
protected:
  template <size_t N> HostTensor npy(const unsigned char (&bytes)[N]) {
    put("a.npy", text(bytes));
    return readNpyFile(at("a.npy"));
  }
  template <size_t N> HostTensor proto(const unsigned char (&bytes)[N]) {
    put("a.pb", text(bytes));
    return readTensorProto(at("a.pb"));
  }
  template <typename Body> std::string errorOf(Body body) {
    try {
      body();
    } catch (const Failure &failure) {
      return failure.what();
    }
    return "no error";
  }
};

TEST_F(TensorFilesTest, ReadsWhatNumpyWrites) {
  HostTensor f32 = npy(numpyF32);
  EXPECT_EQ(f32.dims, (std::vector<int64_t>{2, 3}));
  EXPECT_THAT(elements<float>(f32), ElementsAre(0, .5f, 1, 1.5f, 2, 2.5f));
  HostTensor i16 = npy(numpyFortranI16);
  EXPECT_EQ(i16.dims, (std::vector<int64_t>{2, 3, 4}));
  std::vector<int16_t> ramp(24);
  for (int i = 0; i < 24; ++i)
    ramp[i] = static_cast<int16_t>(i);
  EXPECT_EQ(elements<int16_t>(i16), ramp);
  EXPECT_THAT(elements<double>(npy(numpyBigEndianF64)), ElementsAre(1.5, -2));
  HostTensor scalar = npy(numpyVersion2Bool);
  EXPECT_EQ(scalar.type, AC_TYPE_BOOL);
  EXPECT_TRUE(scalar.dims.empty());
  EXPECT_EQ(npy(numpyVersion3Empty).dims, (std::vector<int64_t>{0, 5}));
  HostTensor opaque = npy(numpyOpaque);
  EXPECT_TRUE(opaque.mayBeBf16);
  EXPECT_THAT(elements<uint16_t>(opaque), ElementsAre(0x3f80, 0xc000));
  EXPECT_THAT(errorOf([&] { npy(numpyText); }), HasSubstr("element type `<U1`"));
}

TEST_F(TensorFilesTest, ReadsArchivesOfNumpy) {
  put("a.npz", text(numpyArchive));
  NpzReader archive(at("a.npz"));
  EXPECT_THAT(archive.names(), ElementsAre("x", "a/b"));
  EXPECT_THAT(elements<int64_t>(archive.read("a/b")), ElementsAre(1, 2, 3));
  EXPECT_EQ(elements<float>(archive.read("x")).size(), 6u);

  put("c.npz", text(numpyCompressed));
  NpzReader compressed(at("c.npz"));
  std::vector<int32_t> ramp(300);
  for (int i = 0; i < 300; ++i)
    ramp[i] = i % 17;
  EXPECT_EQ(elements<int32_t>(compressed.read("ramp")), ramp);
  EXPECT_EQ(elements<uint8_t>(compressed.read("noise")).size(), 200u);
  EXPECT_EQ(elements<float>(compressed.read("zeros")), std::vector<float>(5000));
}

TEST_F(TensorFilesTest, ReadsWhatOnnxWrites) {
  EXPECT_THAT(elements<float>(proto(onnxRawF32)), ElementsAre(0, .5f, 1, 1.5f, 2, 2.5f));
  EXPECT_THAT(elements<uint16_t>(proto(onnxTypedF16)), ElementsAre(0x3c00, 0xc000));
  EXPECT_THAT(elements<int64_t>(proto(onnxTypedI64)), ElementsAre(-1, 5, int64_t(1) << 40));
  HostTensor scalar = proto(onnxTypedF64);
  EXPECT_TRUE(scalar.dims.empty());
  EXPECT_THAT(elements<double>(scalar), ElementsAre(2.5));
  EXPECT_THAT(elements<uint32_t>(proto(onnxTypedU32)), ElementsAre(7u, 4000000000u));
  EXPECT_THAT(elements<int8_t>(proto(onnxTypedI8)), ElementsAre(-3, 3));
  EXPECT_THAT(errorOf([&] { proto(onnxText); }), HasSubstr("element type 8"));
}

TEST_F(TensorFilesTest, WritesEveryTypeInEveryFormat) {
  std::vector<TensorDeclaration> declared;
  std::vector<HostTensor> tensors;
  std::vector<AcTensor> views;
  for (int type = 0; type < numTypes; ++type) {
    AcType element = static_cast<AcType>(type);
    declared.push_back({"t" + std::to_string(type), element, {}, {}});
    tensors.push_back(tensorOf(element, type % 3 == 0 ? std::vector<int64_t>{} : std::vector<int64_t>{type, 5}));
    views.push_back(tensors.back().view());
  }
  auto expectSame = [&](const HostTensor &read, int type) {
    EXPECT_EQ(read.type, tensors[type].type);
    EXPECT_EQ(read.dims, tensors[type].dims);
    EXPECT_EQ(memcmp(read.data.data(), tensors[type].data.data(), static_cast<size_t>(read.bytes())), 0) << type;
  };
  writeOutputs(at("all.npz"), FileFormat::npy, declared, views);
  writeOutputs(at("npy"), FileFormat::npy, declared, views);
  writeOutputs(at("pb"), FileFormat::pb, declared, views);
  InputFiles archive = readInputs(at("all.npz"), declared);
  EXPECT_EQ(archive.format, FileFormat::npz);
  for (int type = 0; type < numTypes; ++type) {
    expectSame(archive.tensors[type], type);
    std::string number = std::to_string(type);
    expectSame(readNpyFile(at("npy/output_" + number + ".npy")), type);
    expectSame(readTensorProto(at("pb/output_" + number + ".pb")), type);
  }
}

TEST_F(TensorFilesTest, TakesTwoByteArraysForBfloat16) {
  put("input_0.npy", text(numpyOpaque));
  EXPECT_EQ(readInputs(folder, {{"x", AC_TYPE_BF16, {-1}, {""}}}).tensors[0].type, AC_TYPE_BF16);
  EXPECT_THAT(errorOf([&] {
                readInputs(folder, {{"x", AC_TYPE_F16, {-1}, {""}}});
              }),
              AllOf(HasSubstr("element type bf16, expected f16"), HasSubstr("astype(float16)")));
}

TEST_F(TensorFilesTest, SaysWhichInputsAreMissing) {
  put("a.npz", text(numpyArchive));
  std::vector<TensorDeclaration> declared = {{"x", AC_TYPE_F32, {}, {}}, {"y", AC_TYPE_F32, {}, {}}};
  EXPECT_THAT(errorOf([&] { readInputs(at("a.npz"), declared); }),
              HasSubstr("lacks input `y` of the model; it has `x`, `a/b`"));
  put("input_0.npy", text(numpyF32));
  EXPECT_THAT(errorOf([&] { readInputs(folder, declared); }), HasSubstr("lacks `input_1.npy` or `.pb` for `y`"));
  EXPECT_THAT(errorOf([&] { readInputs(at("none"), declared); }), HasSubstr("there is no file or folder"));
}

TEST_F(TensorFilesTest, WritesNothingByHalves) {
  HostTensor tensor = tensorOf(AC_TYPE_F32, {3});
  std::filesystem::create_directories(at("out/output_1.npy")); // a folder is in the way of the second file
  EXPECT_NE(errorOf([&] {
              writeOutputs(at("none/out.npz"), FileFormat::npz, {{"x", AC_TYPE_F32, {}, {}}}, {tensor.view()});
            }),
            "no error");
  EXPECT_FALSE(std::filesystem::exists(at("none")));
  EXPECT_NE(errorOf([&] {
              writeOutputs(at("out"), FileFormat::npy, {{"x", AC_TYPE_F32, {}, {}}, {"y", AC_TYPE_F32, {}, {}}},
                           {tensor.view(), tensor.view()});
            }),
            "no error");
  int temporaries = 0;
  for (auto &entry : std::filesystem::directory_iterator(at("out")))
    temporaries += entry.path().extension() == ".tmp";
  EXPECT_EQ(temporaries, 0);
}

/// Damage of any byte and truncation at any place end in an error or in some tensor, never in a crash or in more
/// memory than the file could fill.
TEST_F(TensorFilesTest, SurvivesDamage) {
  auto tryAll = [&](const std::string &content, auto read) {
    for (size_t i = 0; i < content.size(); ++i) {
      std::string copy = content;
      copy[i] = static_cast<char>(copy[i] ^ (i % 3 ? 1 << i % 8 : 0xff));
      put("damaged", copy);
      errorOf([&] { read(at("damaged")); });
      if (i % 3)
        continue;
      put("damaged", content.substr(0, i));
      EXPECT_NE(errorOf([&] { read(at("damaged")); }), "no error") << i;
    }
  };
  auto readAll = [](const std::string &path) {
    NpzReader archive(path);
    for (const std::string &name : archive.names())
      archive.read(name);
  };
  tryAll(text(numpyF32), readNpyFile);
  tryAll(text(numpyArchive), readAll);
  tryAll(text(numpyCompressed), readAll);
  auto damagedProto = [&](const std::string &path) {
    HostTensor tensor = readTensorProto(path);
    EXPECT_LE(tensor.bytes(), 1000);
  };
  std::string whole = text(onnxRawF32);
  for (size_t i = 0; i < whole.size(); ++i)
    for (unsigned char bits : {0xff, 0x01, 0x80}) {
      std::string copy = whole;
      copy[i] = static_cast<char>(copy[i] ^ bits);
      put("damaged", copy);
      errorOf([&] { damagedProto(at("damaged")); });
    }
}

TEST_F(TensorFilesTest, RefusesLyingShapesBeforeTakingMemory) {
  std::string header = npyHeader(tensorOf(AC_TYPE_F32, {0}).view());
  std::string lying = header;
  lying.replace(lying.find("(0, ),"), 40, "(1099511627776, 1024), }                ");
  put("lying.npy", lying);
  EXPECT_THAT(errorOf([&] { readNpyFile(at("lying.npy")); }), HasSubstr("is truncated: shape [1099511627776, 1024]"));
}

TEST(Crc32, HasThePublishedCheckValue) {
  EXPECT_EQ(crc32("123456789", 9), 0xcbf43926u);
  EXPECT_EQ(crc32("6789", 4, crc32("12345", 5)), 0xcbf43926u);
}

} // namespace
