//===- ModelCache.cpp - Artefacts of models compiled before ---------------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// There are two files for a model. The first is found by the model and names its external data, the second is found by
// the content of that as well, and is
//
//   hash of the next line
//   {"parts": [{"part": ..., "bytes": ..., "mode": ..., "hash": ...}, ...]}
//   the parts, one behind the other
//
//===----------------------------------------------------------------------===//
#include "Compiler/ModelCache.h"
#include "Compiler/CacheFolder.h"
#include "mlir/IR/Verifier.h"
#include "llvm/Config/llvm-config.h"
#include "llvm/Support/CachePruning.h"
#include "llvm/Support/Caching.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Process.h"
#include "llvm/Support/xxhash.h"
#include "llvm/TargetParser/Host.h"
#include <chrono>
#include <dlfcn.h>

using namespace mlir;
using namespace mlir::ac;

/// Artefacts hold weights: a few large models, or many small ones, but no more than a part of what is free.
static constexpr StringLiteral kPolicy = "prune_interval=0s:prune_after=720h:cache_size=20%:cache_size_bytes=10g";

static std::unique_ptr<llvm::MemoryBuffer> map(const Twine &path) {
  auto buffer = llvm::MemoryBuffer::getFile(path, /*IsText=*/false, /*RequiresNullTerminator=*/false);
  return buffer ? std::move(*buffer) : nullptr;
}

static std::string hashOfFile(const Twine &path) {
  auto buffer = map(path);
  return buffer ? contentHash(buffer->getBuffer()) : "none";
}

/// Size and time of the library that holds `function`: hashing LLVM takes longer than compiling a small model.
static std::string libraryOf(void *function) {
  Dl_info info;
  llvm::sys::fs::file_status status;
  if (!dladdr(function, &info) || llvm::sys::fs::status(info.dli_fname, status))
    return "linked in";
  return llvm::formatv("{0} {1}", status.getSize(), status.getLastModificationTime().time_since_epoch().count());
}

/// The compiler is a program or a module of Python's: the file that this function is in.
static const std::string &compilerIdentity() {
  static const std::string identity = [] {
    Dl_info info;
    std::string file = "/proc/self/exe";
    // A program that was found by PATH has a name without a folder here.
    if (dladdr(reinterpret_cast<void *>(&compilerIdentity), &info) && StringRef(info.dli_fname).contains('/'))
      file = info.dli_fname;
    return hashOfFile(file) + " " LLVM_VERSION_STRING " " +
           libraryOf(reinterpret_cast<void *>(&llvm::sys::getHostCPUName)) + " " +
           libraryOf(reinterpret_cast<void *>(static_cast<LogicalResult (*)(Operation *, bool)>(&mlir::verify)));
  }();
  return identity;
}

bool ModelCache::serves(const CompileOptions &options) {
  bool isQuiet = options.saveTemps.empty() && !options.timePasses && options.stopAfter.empty();
  // What `auto` chooses depends on what was measured.
  return options.cache && isQuiet && options.output != OutputKind::MLIR && options.kernels != KernelGenerator::Auto;
}

ModelCache::ModelCache(StringRef model, StringRef suffix, StringRef baseDir, StringRef output,
                       const CompileOptions &options, const TargetInfo &target)
    : directory(cacheFolder("ACCORDION_CACHE_DIR", "models")), baseDir(baseDir.empty() ? "." : baseDir.str()), output(output.str()),
      options(options) {
  if (directory.empty())
    return;
  llvm::json::Object dims;
  for (const auto &[name, size] : options.dims)
    dims[name] = size;
  bool isExecutable = options.output == OutputKind::Executable, asksHalide = options.kernels != KernelGenerator::MLIR;
  // The header names the file that it describes.
  llvm::json::Object facts{{"version", 1},
                           {"compiler", compilerIdentity()},
                           {"model", contentHash(model)},
                           {"suffix", suffix},
                           {"name", isExecutable ? StringRef() : llvm::sys::path::filename(output)},
                           {"output", static_cast<int>(options.output)},
                           {"target", target.triple + " " + target.cpu + " " + target.features},
                           {"march", options.march},
                           {"dims", std::move(dims)},
                           {"weights", options.weightsFile},
                           {"report", !options.reportFile.empty()},
                           {"level", options.optLevel},
                           {"raise", options.raise},
                           {"fold", options.foldConstants},
                           {"precision", static_cast<int>(options.precision)},
                           {"halide", asksHalide ? hashOfFile(options.halideGenerator) : ""},
                           {"launcher", isExecutable ? hashOfFile(options.launcher) : ""}};
  modelKey = contentHash(llvm::formatv("{0}", llvm::json::Value(std::move(facts))).str());
}

std::vector<std::pair<std::string, std::string>> ModelCache::parts() const {
  std::vector<std::pair<std::string, std::string>> result{{"output", output}};
  bool isObject = options.output == OutputKind::Object;
  if (isObject || options.output == OutputKind::SharedObject) {
    SmallString<128> header(output);
    llvm::sys::path::replace_extension(header, ".h");
    result.emplace_back("header", header.str().str());
  }
  if (!options.weightsFile.empty() || isObject)
    result.emplace_back("weights", options.weightsFile.empty() ? output + ".weights" : options.weightsFile);
  if (!options.reportFile.empty())
    result.emplace_back("report", options.reportFile);
  return result;
}

std::optional<std::string> ModelCache::keyWith(ArrayRef<std::string> externalFiles) const {
  std::string text = modelKey;
  for (const std::string &name : externalFiles) {
    auto file = map(baseDir + "/" + name);
    if (!file)
      return std::nullopt;
    text += "\n" + name + " " + contentHash(file->getBuffer());
  }
  return contentHash(text);
}

//===----------------------------------------------------------------------===//
// Files of the cache
//===----------------------------------------------------------------------===//

std::unique_ptr<llvm::MemoryBuffer> ModelCache::read(StringRef key) const {
  std::unique_ptr<llvm::MemoryBuffer> found;
  auto keep = [&](size_t, const Twine &, std::unique_ptr<llvm::MemoryBuffer> buffer) { found = std::move(buffer); };
  auto cache = llvm::localCache("models", "model", directory, keep);
  if (!cache) {
    llvm::consumeError(cache.takeError());
    return nullptr;
  }
  auto miss = (*cache)(0, key, "");
  if (!miss)
    llvm::consumeError(miss.takeError());
  return found;
}

void ModelCache::write(StringRef key, llvm::function_ref<void(llvm::raw_pwrite_stream &)> content) const {
  auto cache = llvm::localCache("models", "model", directory);
  if (!cache)
    return llvm::consumeError(cache.takeError());
  auto miss = (*cache)(0, key, "");
  if (!miss)
    return llvm::consumeError(miss.takeError());
  if (!*miss)
    return;
  auto stream = (*miss)(0, "");
  if (!stream)
    return llvm::consumeError(stream.takeError());
  content(*(*stream)->OS);
  llvm::consumeError((*stream)->commit());
}

void ModelCache::discard(StringRef key) const { llvm::sys::fs::remove(directory + "/llvmcache-" + key); }

//===----------------------------------------------------------------------===//
// Artefacts
//===----------------------------------------------------------------------===//

/// Appears by a rename, as what the compiler writes.
static bool writeFile(StringRef path, StringRef content, unsigned mode) {
  std::string partial = (path + ".partial").str();
  std::error_code code;
  {
    llvm::raw_fd_ostream os(partial, code);
    if (code)
      return false;
    os << content;
    os.close();
    code = os.error();
    os.clear_error();
  }
  if (!code)
    code = llvm::sys::fs::setPermissions(partial, static_cast<llvm::sys::fs::perms>(mode));
  if (!code)
    code = llvm::sys::fs::rename(partial, path);
  if (code)
    llvm::sys::fs::remove(partial);
  return !code;
}

/// The report of the first compilation, for this one.
static std::string refresh(StringRef report, StringRef output, double seconds) {
  auto parsed = llvm::json::parse(report);
  if (!parsed || !parsed->getAsObject()) {
    llvm::consumeError(parsed.takeError());
    return report.str();
  }
  llvm::json::Object &facts = *parsed->getAsObject();
  facts["output"] = output;
  facts["cached"] = true;
  facts["steps"] = llvm::json::Array{llvm::json::Object{{"step", "cache"}, {"seconds", seconds}}};
  return llvm::formatv("{0:2}\n", *parsed).str();
}

bool ModelCache::restore(StringRef entry) const {
  auto start = std::chrono::steady_clock::now();
  auto [hash, rest] = entry.split('\n');
  auto [line, content] = rest.split('\n');
  if (hash != contentHash(line))
    return false;
  auto manifest = llvm::json::parse(line);
  if (!manifest) {
    llvm::consumeError(manifest.takeError());
    return false;
  }
  const llvm::json::Array *kept = manifest->getAsObject()->getArray("parts");
  std::map<std::string, std::pair<StringRef, unsigned>> contents;
  for (const llvm::json::Value &value : *kept) {
    const llvm::json::Object &part = *value.getAsObject();
    auto bytes = static_cast<size_t>(part.getInteger("bytes").value_or(0));
    if (bytes > content.size() || contentHash(content.take_front(bytes)) != part.getString("hash"))
      return false;
    contents[part.getString("part")->str()] = {content.take_front(bytes), part.getInteger("mode").value_or(0644)};
    content = content.drop_front(bytes);
  }
  // The artefact last: where it is, all is.
  auto wanted = parts();
  for (const auto &[name, path] : llvm::reverse(wanted)) {
    auto found = contents.find(name);
    if (found == contents.end())
      continue; // a model without weights, say
    auto [bytes, mode] = found->second;
    std::string report;
    if (name == "report") {
      report = refresh(bytes, output, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
      bytes = report;
    }
    if (!writeFile(path, bytes, mode))
      return false;
  }
  return true;
}

bool ModelCache::fetch() {
  if (directory.empty())
    return false;
  auto names = read(modelKey);
  if (!names)
    return false;
  SmallVector<StringRef> lines;
  names->getBuffer().split(lines, '\n', -1, /*KeepEmpty=*/false);
  // Its last line ends it: a file that was cut lacks it.
  if (lines.empty() || lines.pop_back_val() != "end") {
    discard(modelKey);
    return false;
  }
  SmallVector<std::string> files(lines.begin(), lines.end());
  std::optional<std::string> key = keyWith(files);
  if (!key)
    return false;
  auto entry = read(*key);
  if (!entry)
    return false;
  if (restore(entry->getBuffer()))
    return true;
  discard(*key);
  return false;
}

void ModelCache::store(const std::set<std::string> &externalFiles) {
  SmallVector<std::string> files(externalFiles.begin(), externalFiles.end());
  std::optional<std::string> key = directory.empty() ? std::nullopt : keyWith(files);
  auto policy =
      llvm::parseCachePruningPolicy(llvm::sys::Process::GetEnv("ACCORDION_CACHE_POLICY").value_or(kPolicy.str()));
  if (!policy)
    return llvm::consumeError(policy.takeError());
  if (!key || llvm::any_of(files, [](const std::string &name) { return StringRef(name).contains('\n'); }))
    return;
  std::vector<std::unique_ptr<llvm::MemoryBuffer>> contents;
  llvm::json::Array manifest;
  uint64_t size = 0;
  for (const auto &[name, path] : parts()) {
    llvm::sys::fs::file_status status;
    if (llvm::sys::fs::status(path, status) || !llvm::sys::fs::is_regular_file(status))
      continue;
    auto content = map(path);
    if (!content)
      return;
    size += content->getBufferSize();
    manifest.push_back(llvm::json::Object{{"part", name},
                                          {"bytes", static_cast<int64_t>(content->getBufferSize())},
                                          {"mode", static_cast<int64_t>(status.permissions())},
                                          {"hash", contentHash(content->getBuffer())}});
    contents.push_back(std::move(content));
  }
  // One that does not fit would drive out all others, and then itself.
  if (policy->MaxSizeBytes && size > policy->MaxSizeBytes / 2)
    return;
  std::string line = llvm::formatv("{0}", llvm::json::Value(llvm::json::Object{{"parts", std::move(manifest)}})).str();
  discard(modelKey); // its external data may have other names now
  write(modelKey, [&](llvm::raw_pwrite_stream &os) { os << llvm::join(files, "\n") << "\nend\n"; });
  write(*key, [&](llvm::raw_pwrite_stream &os) {
    os << contentHash(line) << "\n" << line << "\n";
    for (const auto &content : contents)
      os << content->getBuffer();
  });
  llvm::pruneCache(directory, *policy);
}
