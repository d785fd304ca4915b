//===- KernelCache.cpp - Kernels of another generator ---------------------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Compiler/KernelCache.h"
#include "Compiler/CacheFolder.h"
#include "Kernels/KernelDescription.h"
#include "llvm/Object/ObjectFile.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Process.h"
#include "llvm/Support/Program.h"
#include "llvm/Support/xxhash.h"

using namespace mlir;
using namespace mlir::ac;

static constexpr unsigned kSecondsToWait = 300;

KernelCache::KernelCache(std::string generator) : generator(std::move(generator)), directory(cacheFolder("AC_KERNEL_CACHE", "kernels")) {}

uint64_t KernelCache::hashOfGenerator() const {
  if (!generatorHash) {
    auto program = llvm::MemoryBuffer::getFile(generator);
    generatorHash = program ? llvm::xxh3_64bits((*program)->getBuffer()) : 0;
  }
  return *generatorHash;
}

llvm::Error KernelCache::check() const {
  if (hashOfGenerator())
    return llvm::Error::success();
  return llvm::createStringError(
      "kernels of Halide need the program '" + generator +
      "', which is not there: run build_tools/setup.sh, which installs Halide, and build again");
}

std::string KernelCache::fileOf(StringRef kind, StringRef text) const {
  std::string key = llvm::formatv("{0} {1:x-16} {2}", kind, hashOfGenerator(), text).str();
  return (directory + "/" + contentHash(key) + "." + kind).str();
}

/// A file holds a line with a hash of the rest, the text that it is about, and the content.
std::optional<std::string> KernelCache::read(StringRef kind, StringRef text) const {
  if (directory.empty())
    return std::nullopt;
  auto file = llvm::MemoryBuffer::getFile(fileOf(kind, text));
  if (!file)
    return std::nullopt;
  auto [hash, rest] = (*file)->getBuffer().split('\n');
  if (hash != contentHash(rest) || !rest.consume_front(text) || !rest.consume_front("\n"))
    return std::nullopt;
  return rest.str();
}

void KernelCache::write(StringRef kind, StringRef text, StringRef content) const {
  if (directory.empty() || llvm::sys::fs::create_directories(directory))
    return;
  SmallString<128> partial;
  int descriptor;
  if (llvm::sys::fs::createUniqueFile(directory + "/%%%%%%%%%%%%.partial", descriptor, partial))
    return;
  std::string rest = (text + "\n" + content).str();
  llvm::raw_fd_ostream os(descriptor, /*shouldClose=*/true);
  os << contentHash(rest) << "\n" << rest;
  os.close();
  bool failed = os.has_error();
  os.clear_error();
  if (failed || llvm::sys::fs::rename(partial, fileOf(kind, text)))
    llvm::sys::fs::remove(partial);
}

std::optional<std::string> KernelCache::getChoice(StringRef processor, StringRef work) const {
  return read("choice", (processor + " " + work).str());
}

void KernelCache::setChoice(StringRef processor, StringRef work, StringRef generator) const {
  write("choice", (processor + " " + work).str(), generator);
}

/// Models have no undefined symbols but those of the C and maths libraries, and the kernel must be there.
static llvm::Error checkObject(StringRef content, StringRef entry) {
  auto object = llvm::object::ObjectFile::createObjectFile(llvm::MemoryBufferRef(content, entry));
  if (!object)
    return object.takeError();
  bool found = false;
  for (const llvm::object::SymbolRef &symbol : (*object)->symbols()) {
    auto name = symbol.getName();
    auto flags = symbol.getFlags();
    if (!name || !flags)
      return llvm::joinErrors(name.takeError(), flags.takeError());
    bool isUndefined = *flags & llvm::object::SymbolRef::SF_Undefined;
    found |= !isUndefined && *name == entry;
    if (isUndefined && name->starts_with("halide_"))
      return llvm::createStringError("a kernel of Halide needs '" + *name + "', which models do not have");
  }
  if (!found)
    return llvm::createStringError("an object of Halide lacks the function '" + entry + "'");
  return llvm::Error::success();
}

llvm::Error KernelCache::generate(ArrayRef<std::string> descriptions, ArrayRef<std::string> outputs,
                                  const TemporaryFolder &folder) const {
  if (llvm::Error error = check())
    return error;
  llvm::json::Array requests;
  for (auto [description, output] : llvm::zip_equal(descriptions, outputs)) {
    auto parsed = llvm::json::parse(description);
    if (!parsed)
      return parsed.takeError();
    requests.push_back(
        llvm::json::Object{{"entry", kernelEntry(description)}, {"output", output}, {"description", *parsed}});
  }
  std::string file = folder.file("requests.json"), log = folder.file("generator.log"), message;
  {
    std::error_code code;
    llvm::raw_fd_ostream os(file, code);
    if (code)
      return llvm::createStringError(code, "cannot write '" + file + "': " + code.message());
    os << llvm::json::Value(std::move(requests));
  }
  bool hasFailed = false;
  int status = llvm::sys::ExecuteAndWait(generator, {generator, file}, /*Env=*/std::nullopt,
                                         {StringRef(""), StringRef(log), StringRef(log)}, kSecondsToWait,
                                         /*MemoryLimit=*/0, &message, &hasFailed);
  if (status == 0 && !hasFailed)
    return llvm::Error::success();
  // Its own words, where it had time for any.
  SmallVector<std::string> lines;
  if (auto text = llvm::MemoryBuffer::getFile(log))
    for (StringRef line : llvm::split((*text)->getBuffer(), '\n'))
      if (line.consume_front("error: "))
        lines.push_back("Halide: " + line.str());
  if (lines.empty())
    lines.push_back("'" + generator + "' ended with " +
                    (message.empty() ? "status " + std::to_string(status) : message));
  return llvm::createStringError(llvm::join(lines, "\n"));
}

llvm::Expected<SmallVector<std::string>> KernelCache::getObjects(ArrayRef<std::string> descriptions,
                                                                 const TemporaryFolder &folder) {
  SmallVector<std::string> objects, wanted, outputs;
  auto writeObject = [](StringRef path, StringRef content) -> llvm::Error {
    std::error_code code;
    llvm::raw_fd_ostream os(path, code);
    if (!code) {
      os << content;
      os.close();
      code = os.error();
      os.clear_error();
    }
    return code ? llvm::createStringError(code, "cannot write '" + path + "': " + code.message())
                : llvm::Error::success();
  };
  for (const std::string &description : descriptions) {
    objects.push_back(folder.file(kernelEntry(description) + ".o"));
    std::optional<std::string> kept = read("kernel", description);
    if (kept && !llvm::errorToBool(checkObject(*kept, kernelEntry(description)))) {
      if (llvm::Error error = writeObject(objects.back(), *kept))
        return std::move(error);
      ++numFound;
      continue;
    }
    wanted.push_back(description);
    outputs.push_back(objects.back());
  }
  if (wanted.empty())
    return objects;
  if (llvm::Error error = generate(wanted, outputs, folder))
    return std::move(error);
  for (auto [description, output] : llvm::zip_equal(wanted, outputs)) {
    auto content = llvm::MemoryBuffer::getFile(output);
    if (!content)
      return llvm::createStringError("cannot read '" + output + "': " + content.getError().message());
    if (llvm::Error error = checkObject((*content)->getBuffer(), kernelEntry(description)))
      return std::move(error);
    write("kernel", description, (*content)->getBuffer());
    ++numMade;
  }
  return objects;
}

llvm::Expected<SmallVector<std::string>> mlir::ac::getKernelObjects(ModuleOp module, KernelCache &cache,
                                                                    const TemporaryFolder &folder) {
  SmallVector<std::string> descriptions;
  if (auto kernels = module->getAttrOfType<ArrayAttr>(kKernelsAttribute))
    for (StringRef description : kernels.getAsValueRange<StringAttr>())
      descriptions.push_back(description.str());
  return cache.getObjects(descriptions, folder);
}
