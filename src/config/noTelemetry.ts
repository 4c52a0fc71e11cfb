/**
 * Imported for its effect, in the main thread, by whatever may start a neural member. ONNX Runtime else keeps an
 * identifier of the device and its events in the person's cache folder and sends them to its makers. It reads the
 * variable when it starts; a worker thread's own `process.env` is a copy that it does not see.
 */
process.env.ORT_DISABLE_TELEMETRY = '1';
