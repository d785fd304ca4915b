//===- Stats.cpp - What measured runs did and avoided ----------*- C++ -*-===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Stats.h"

#include "Json.h"

namespace accordion {

void Stats::add(const AcRun &run, double seconds) {
  entries.push_back({seconds, run.budgets(), run.counters(), run.flops()});
}

static void writeFlops(JsonWriter &json, const AcFlops &flops) {
  json.key("flops_done").value(flops.done);
  json.key("flops_avoided").value(flops.avoided);
  json.key("flops_unknown").value(flops.unknown != 0);
}

std::string Stats::json() const {
  JsonWriter json;
  json.beginObject();
  json.key("accordion").value(ACCORDION_VERSION);
  json.key("model").value(name);
  json.key("threads").value(static_cast<int64_t>(model.pool.numThreads()));
  json.newLine().key("sites").beginArray();
  for (const SiteDeclaration &site : model.sites()) {
    json.newLine().beginObject().key("name").value(site.name).key("kind").value(site.kind).key("counters").beginArray();
    for (const std::string &counter : site.counters)
      json.value(counter);
    json.endArray().key("flops").beginArray();
    for (int64_t flops : site.flops)
      json.value(flops);
    json.endArray().endObject();
  }
  json.endArray();
  AcFlops totals = {0, 0, 0};
  json.newLine().key("runs").beginArray();
  for (const Entry &entry : entries) {
    json.newLine().beginObject().key("seconds").value(entry.seconds).key("budgets").beginObject();
    for (size_t i = 0; i < entry.budgets.size(); ++i)
      json.key(model.budgets()[i].name).value(entry.budgets[i]);
    json.endObject().key("sites").beginObject();
    for (const SiteDeclaration &site : model.sites()) {
      json.key(site.name).beginArray();
      for (size_t i = 0; i < site.counters.size(); ++i)
        json.value(entry.counters[site.firstCounter + i]);
      json.endArray();
    }
    json.endObject();
    writeFlops(json, entry.flops);
    json.endObject();
    totals.done += entry.flops.done;
    totals.avoided += entry.flops.avoided;
    totals.unknown |= entry.flops.unknown;
  }
  json.endArray().newLine().key("totals").beginObject();
  writeFlops(json, totals);
  json.endObject().endObject();
  return json.text() + "\n";
}

} // namespace accordion
