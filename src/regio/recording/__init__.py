"""Records the steps of a codec as graphs and a plan that run without torch (`regio.light`).

coder, regions   what the walk is recorded with
walks            exports analysis, walk and synthesis, each as one ONNX graph
split, shapes    cut the walk where the coder is called
numbers          let graphs share the weights file
bundle           writes the files
"""
