"""The engines that are measured: `ENGINES[name](model, threads, settings)` opens a model at the engine's best settings.

What comes back has `inputs`, the names of its inputs in order; `prepare`, which takes arrays by name to where the engine
reads them; `run`, the call that is timed; and `answers`, which makes arrays of what it returned. An engine is imported
only where it is used, since each may live in a Python of its own.
"""

from __future__ import annotations

import numpy as np


class OnnxRuntime:
    def __init__(self, model, threads, settings):
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
        options.log_severity_level = 4
        if settings.get("stop_spinning"):  # with many engines in turn, threads that spin on would meet the next one's run
            options.add_session_config_entry("session.force_spinning_stop", "1")
        self._session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        self.inputs = [value.name for value in self._session.get_inputs()]

    def prepare(self, arrays):
        return arrays

    def run(self, feeds):
        return self._session.run(None, feeds)

    def answers(self, results):
        return results


class Accordion:
    """`model` is what `ac-compile` made."""

    def __init__(self, model, threads, settings):
        import accordion

        session = accordion.load(model, threads=threads)
        self.inputs = [value.name for value in session.get_inputs()]
        self.run = lambda feeds: session.run(None, feeds)

    def prepare(self, arrays):
        return arrays

    def answers(self, results):
        return results


class OpenVino:
    def __init__(self, model, threads, settings):
        import openvino

        core = openvino.Core()
        graph = core.read_model(model)
        small = any(op.get_output_element_type(0) == openvino.Type.bf16 for op in graph.get_ops() if op.get_output_size())
        # Left to itself it quantises activations in front of int8 weights, which the model does not say.
        properties = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": "bf16" if small else "f32",
            "INFERENCE_NUM_THREADS": threads,
            "DYNAMIC_QUANTIZATION_GROUP_SIZE": 0,
        }
        self._model = core.compile_model(graph, "CPU", properties)
        self._request = self._model.create_infer_request()
        # A model's inputs may have several names; the parameter's own is the one in the file.
        self.inputs = [port.get_node().get_friendly_name() for port in self._model.inputs]

    def prepare(self, arrays):
        return [np.ascontiguousarray(arrays[name]) for name in self.inputs]

    def run(self, feeds):
        return self._request.infer(feeds, share_inputs=True)

    def answers(self, results):
        return [np.array(results[port]) for port in self._model.outputs]


class Iree:
    """`model` is a compiled module; its weights lie beside it under the same name, its inputs' names in a list."""

    def __init__(self, model, threads, settings):
        import json
        from pathlib import Path

        import iree.runtime as iree

        model = Path(model)
        if threads == 1:
            self._device = iree.get_driver("local-sync").create_default_device()
        else:
            iree.flags.parse_flags(f"--task_topology_group_count={threads}", "--task_worker_stack_size=16777216")
            self._device = iree.get_driver("local-task").create_default_device()
        instance = iree.VmInstance()
        modules = [iree.create_hal_module(instance, self._device)]
        if (weights := model.with_suffix(".irpa")).exists():
            index = iree.ParameterIndex()
            index.load(str(weights))
            modules.insert(0, iree.create_io_parameters_module(instance, index.create_provider("model")))
        module = iree.VmModule.mmap(instance, str(model))
        context = iree.SystemContext(vm_modules=[*modules, module], config=iree.Config(device=self._device))
        name = next(n for n in module.function_names if not n.startswith("__") and not n.endswith("$async"))
        self._function = context.modules[module.name][name]
        self._iree = iree
        self.inputs = json.loads(model.with_suffix(".inputs.json").read_text())

    def prepare(self, arrays):
        return [self._iree.asdevicearray(self._device, np.ascontiguousarray(arrays[name])) for name in self.inputs]

    def run(self, feeds):
        return self._function(*feeds)

    def answers(self, results):
        return [value.to_host() for value in (results if isinstance(results, (list, tuple)) else [results])]


ENGINES = {"accordion": Accordion, "onnxruntime": OnnxRuntime, "openvino": OpenVino, "iree": Iree}
TITLES = {"accordion": "Accordion", "onnxruntime": "ONNX Runtime", "openvino": "OpenVINO", "iree": "IREE"}
