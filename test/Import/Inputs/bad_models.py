"""Writes damaged and lying models into a folder, has ac-translate read each, and prints what it says.

Every model must be refused with exit status 1 and one line on standard error, and leave no output file. At the end some
hundred random mutations of a good model are read: those may be accepted, but nothing may crash.
"""

import os
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
from onnx import AttributeProto, StringStringEntryProto, TensorProto, helper, numpy_helper

FOLDER = Path(sys.argv[1])
FOLDER.mkdir(parents=True, exist_ok=True)
FLOAT = TensorProto.FLOAT


def value(name, shape=(2,)):
    return helper.make_tensor_value_info(name, FLOAT, shape)


def model(nodes, initializers=(), opset=17, inputs=("x",), outputs=("y",), **options):
    graph = helper.make_graph(nodes, "g", [value(n) for n in inputs], [value(n) for n in outputs], list(initializers))
    options.setdefault("ir_version", 8)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], **options)


def add(weights, **options):
    return model([helper.make_node("Add", ["x", "w"], ["y"], name="sum")], [weights], **options)


def weights(dims=(2,), data_type=FLOAT, **fields):
    tensor = TensorProto(name="w", data_type=data_type, dims=dims)
    for key, content in fields.items():
        if isinstance(content, bytes):
            setattr(tensor, key, content)
        else:
            getattr(tensor, key).extend(content)
    return tensor


def external(**entries):
    tensor = TensorProto(name="w", data_type=FLOAT, dims=[2], data_location=TensorProto.EXTERNAL)
    tensor.external_data.extend(StringStringEntryProto(key=k, value=v) for k, v in entries.items())
    return add(tensor)


def varint(number):
    return bytes([number]) if number < 128 else bytes([number & 127 | 128]) + varint(number >> 7)


def nested(depth):
    """A model whose node has a graph whose node has a graph ..., which the library would not even serialise."""
    field = lambda number, content: bytes([number << 3 | 2]) + varint(len(content)) + content
    graph = field(2, b"g")
    for _ in range(depth):
        graph = field(1, field(4, b"If") + field(5, field(1, b"then_branch") + field(6, graph))) + field(2, b"g")
    return b"\x08\x08" + field(7, graph) + field(8, b"\x10\x11")


def cases():
    good = add(numpy_helper.from_array(np.float32([1, 2]), "w"))
    data = good.SerializeToString()
    yield "empty", b""
    yield "truncated", data[: len(data) // 2]
    yield "not-a-model", b"PK\3\4 this is some other file" * 10
    yield "no-graph", helper.make_model(good.graph, ir_version=8).SerializeToString()[:2]
    yield "ir-version", add(numpy_helper.from_array(np.float32([1, 2]), "w"), ir_version=99)
    yield "opset-new", add(numpy_helper.from_array(np.float32([1, 2]), "w"), opset=99)
    yield "opset-old", add(numpy_helper.from_array(np.float32([1, 2]), "w"), opset=6)
    yield "text", b"<ir_version: 8, opset_import: [\"\" : 17]> g (float[2] x => (float[2] y) { y = Abs(x) }"

    yield "negative-dimension", add(weights(dims=[-2], raw_data=b"12345678"))
    yield "short-data", add(weights(dims=[3], raw_data=b"12345678"))
    yield "few-values", add(weights(dims=[3], float_data=[1.0]))
    yield "overflow", add(weights(dims=[1 << 40, 1 << 40], raw_data=b"12345678"))
    yield "huge", add(weights(dims=[1 << 45], raw_data=b"12345678"))
    yield "element-type", add(weights(data_type=77, raw_data=b"12345678"))
    yield "strings", add(weights(dims=[3], data_type=TensorProto.STRING, string_data=[b"a"]))

    (FOLDER / "weights.bin").write_bytes(b"1234567890")
    (FOLDER.parent / "secret.bin").write_bytes(b"1234567890")
    link = FOLDER / "link.bin"
    link.unlink(missing_ok=True)
    os.symlink(FOLDER.parent / "secret.bin", link)
    yield "external-absolute", external(location=str(FOLDER / "weights.bin"))
    yield "external-parent", external(location="../secret.bin")
    yield "external-symlink", external(location="link.bin")
    yield "external-missing", external(location="nowhere.bin")
    yield "external-folder", external(location=".")
    yield "external-end", external(location="weights.bin", offset="4", length="8")
    yield "external-offset", external(location="weights.bin", offset="-4")
    yield "external-length", external(location="weights.bin", length="4")
    yield "external-nameless", external(offset="0")

    abs_node = helper.make_node("Abs", ["x"], ["y"], name="abs")
    yield "undefined-input", model([helper.make_node("Abs", ["z"], ["y"], name="abs")])
    yield "unsorted", model([helper.make_node("Abs", ["z"], ["y"], name="a"), helper.make_node("Abs", ["x"], ["z"])])
    yield "defined-twice", model([abs_node, helper.make_node("Neg", ["x"], ["y"], name="neg")])
    yield "undefined-output", model([abs_node], outputs=("y", "z"))
    yield "many-inputs", model([helper.make_node("Abs", ["x", "x"], ["y"], name="abs")])
    yield "attribute-name", model([helper.make_node("Abs", ["x"], ["y"], name="abs", axis=1)])
    yield "attribute-kind", model([helper.make_node("Softmax", ["x"], ["y"], name="soft", axis="last")])
    yield "no-subgraph", model([helper.make_node("If", ["x"], ["y"], name="if", then_branch=helper.make_graph([abs_node], "t", [], [value("y")]))])
    bare = helper.make_node("Constant", [], ["y"], name="nothing")
    yield "empty-constant", model([bare])
    bare.attribute.append(AttributeProto(name="value_int", type=AttributeProto.FLOAT, f=1))
    yield "constant-kind", model([bare])
    yield "deep", nested(300)

    function = helper.make_function("f", "again", ["a"], ["b"], [helper.make_node("again", ["a"], ["b"], domain="f")],
                                    [helper.make_opsetid("f", 1)])
    endless = model([helper.make_node("again", ["x"], ["y"], domain="f")], functions=[function])
    endless.opset_import.append(helper.make_opsetid("f", 1))
    yield "endless-function", endless

    indices = TensorProto(name="i", data_type=TensorProto.INT64, dims=[1], int64_data=[5])
    sparse = helper.make_sparse_tensor(numpy_helper.from_array(np.float32([1]), "w"), indices, [2])
    lying = model([helper.make_node("Add", ["x", "w"], ["y"])])
    lying.graph.sparse_initializer.append(sparse)
    yield "sparse-index", lying


def translate(path):
    output = FOLDER / "out.mlir"
    output.unlink(missing_ok=True)
    done = subprocess.run(["ac-translate", "--onnx-to-mlir", path, "-o", output], capture_output=True, text=True,
                          errors="replace")
    return done.returncode, done.stderr.replace(str(FOLDER), "").strip(), output.exists()


def main():
    for name, content in cases():
        path = FOLDER / f"{name}.onnx"
        path.write_bytes(content if isinstance(content, bytes) else content.SerializeToString())
        status, message, wrote = translate(path)
        verdict = "" if status == 1 and "\n" not in message and not wrote else f" BAD: status {status}, output {wrote}"
        print(f"{name}: {message}{verdict}")

    random.seed(1)
    loop = helper.make_graph(
        [helper.make_node("Add", ["a", "w"], ["b"]), helper.make_node("Identity", ["c"], ["d"])], "body",
        [helper.make_tensor_value_info("i", TensorProto.INT64, []), helper.make_tensor_value_info("c", TensorProto.BOOL, []), value("a")],
        [helper.make_tensor_value_info("d", TensorProto.BOOL, []), value("b")])
    data = model([helper.make_node("Loop", ["", "", "x"], ["z"], body=loop, name="loop"),
                  helper.make_node("Gelu", ["z"], ["y"], name="gelu")],
                 [numpy_helper.from_array(np.float32([1, 2]), "w")], opset=20, ir_version=9).SerializeToString()
    crashes = 0
    for i in range(int(sys.argv[2])):
        mutant = bytearray(data)
        for _ in range(random.randint(1, 4)):
            at = random.randrange(len(mutant))
            if random.random() < 0.5:
                mutant[at] = random.randrange(256)
            else:
                del mutant[at : at + random.randint(1, 9)]
        (FOLDER / "mutant.onnx").write_bytes(mutant)
        status, message, _ = translate(FOLDER / "mutant.onnx")
        if status not in (0, 1):
            crashes += 1
            (FOLDER / f"crash-{i}.onnx").write_bytes(mutant)
            print(f"mutant {i}: status {status}: {message[:200]}")
    print(f"mutants that crash: {crashes}")


main()
