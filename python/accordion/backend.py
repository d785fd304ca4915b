"""The interface of `onnx.backend`, so that its tests and tools can use Accordion."""

from __future__ import annotations

import onnx
from onnx.backend.base import Backend, BackendRep

import accordion


class Representation(BackendRep):
    def __init__(self, session: accordion.Session):
        self.session = session

    def run(self, inputs, **kwargs):
        """`inputs` is a dictionary, or a sequence in the order of the graph's inputs."""
        if not isinstance(inputs, dict):
            if not isinstance(inputs, (list, tuple)):
                inputs = [inputs]
            names = [value.name for value in self.session.get_inputs()]
            if len(inputs) != len(names):
                raise accordion.Error(f"the model takes {len(names)} inputs, got {len(inputs)}")
            inputs = dict(zip(names, inputs))
        return tuple(self.session.run(None, inputs))


class AccordionBackend(Backend):
    @classmethod
    def is_compatible(cls, model, device: str = "CPU", **kwargs) -> bool:
        try:
            accordion.compile(model, **kwargs)
        except accordion.Error:
            return False
        return cls.supports_device(device)

    @classmethod
    def prepare(cls, model, device: str = "CPU", **kwargs) -> Representation:
        return Representation(accordion.compile(model, **kwargs))

    @classmethod
    def run_model(cls, model, inputs, device: str = "CPU", **kwargs):
        return cls.prepare(model, device, **kwargs).run(inputs)

    @classmethod
    def run_node(cls, node, inputs, device: str = "CPU", outputs_info=None, **kwargs):
        """Wraps the node into a model of its own; the types of the inputs are those of the arrays."""
        kind = onnx.helper.np_dtype_to_tensor_dtype
        values = [
            onnx.helper.make_tensor_value_info(name, kind(array.dtype), array.shape)
            for name, array in zip([n for n in node.input if n], inputs)
        ]
        results = [onnx.ValueInfoProto(name=name) for name in node.output if name]
        graph = onnx.helper.make_graph([node], node.op_type, values, results)
        versions = [onnx.helper.make_opsetid(node.domain, onnx.defs.onnx_opset_version())]
        model = onnx.shape_inference.infer_shapes(onnx.helper.make_model(graph, opset_imports=versions))
        return cls.run_model(model, list(inputs), device, **kwargs)

    @classmethod
    def supports_device(cls, device: str) -> bool:
        return device.split(":")[0] == "CPU"


is_compatible = AccordionBackend.is_compatible
prepare = AccordionBackend.prepare
run_model = AccordionBackend.run_model
run_node = AccordionBackend.run_node
supports_device = AccordionBackend.supports_device


def runner(path, threads: int = 1):
    """A function from feeds (name → array) to the list of outputs; names that are no inputs are passed over. This is
    what comparison scripts take as `accordion.backend:runner`."""
    session = accordion.compile(path, threads=threads)
    names = [value.name for value in session.get_inputs()]
    return lambda feeds: session.run(None, {name: feeds[name] for name in names if name in feeds})
