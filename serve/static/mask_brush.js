// Mark the part of a picture to paint again, with a brush for pointer, touch and keyboard.
const SHARE = 0.02;  // of the picture's width: the distance an arrow key moves the brush
const TINT = "#d92a6b";

// `changed(share, at)` is called with the covered share of the picture, and with the brush's position if keys moved it.
export class MaskBrush {
  #canvas;
  #changed;
  #picture = null;
  #strokes = [];
  #cursor = null;
  #drawing = false;
  #enabled = true;
  size = 0.12;  // of the picture's width

  constructor(canvas, changed) {
    this.#canvas = canvas;
    this.#changed = changed;
    canvas.addEventListener("pointerdown", (event) => this.#begin(event));
    canvas.addEventListener("pointermove", (event) => this.#move(event));
    for (const name of ["pointerup", "pointercancel"]) canvas.addEventListener(name, () => this.#end());
    canvas.addEventListener("pointerleave", () => this.#point(null));
    canvas.addEventListener("keydown", (event) => this.#key(event));
    canvas.addEventListener("blur", () => this.#point(null));
  }

  // Starts with a picture and an empty mask. If `enabled` is false, the picture is only shown.
  start(bitmap, enabled) {
    Object.assign(this.#canvas, { width: bitmap.width, height: bitmap.height });
    this.#picture = bitmap;
    this.#enabled = enabled;
    this.#cursor = null;
    this.clear();
  }

  get empty() {
    return this.#strokes.length === 0;
  }

  undo() {
    this.#strokes.pop();
    this.#report();
  }

  clear() {
    this.#strokes = [];
    this.#report();
  }

  resize(size) {
    this.size = size;
    this.#draw();
  }

  // Returns a mask as large as the picture: white is painted again, black stays.
  mask() {
    const [canvas, context] = this.#layer();
    context.fillRect(0, 0, canvas.width, canvas.height);
    this.#drawStrokes(context, "#fff");
    return canvas;
  }

  #begin(event) {
    if (!this.#enabled || event.button) return;
    event.preventDefault();
    this.#canvas.focus();
    this.#canvas.setPointerCapture(event.pointerId);
    this.#drawing = true;
    this.#strokes.push({ size: this.size, points: [this.#at(event)] });
    this.#point(this.#at(event));
  }

  #move(event) {
    if (!this.#enabled) return;
    if (this.#drawing) this.#strokes.at(-1).points.push(...(event.getCoalescedEvents?.() ?? [event]).map((each) => this.#at(each)));
    this.#point(this.#at(event));
  }

  #end() {
    if (!this.#drawing) return;
    this.#drawing = false;
    this.#report();
  }

  #key(event) {
    if (!this.#enabled || (event.key === "Enter" && (event.ctrlKey || event.metaKey))) return;
    const { width, height } = this.#canvas;
    const step = SHARE * width;
    const [right, down] = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key] ?? [0, 0];
    if (right || down) {
      const [x, y] = this.#cursor ?? [width / 2, height / 2];
      const next = [Math.min(Math.max(x + right * step, 0), width), Math.min(Math.max(y + down * step, 0), height)];
      if (event.shiftKey) this.#strokes.push({ size: this.size, points: [[x, y], next] });
      this.#cursor = next;
    } else if (event.key === " " || event.key === "Enter") {
      this.#cursor ??= [width / 2, height / 2];
      this.#strokes.push({ size: this.size, points: [this.#cursor] });
    } else if (event.key.toLowerCase() === "z" && (event.ctrlKey || event.metaKey)) {
      this.#strokes.pop();
    } else return;
    event.preventDefault();
    this.#report(this.#cursor && [this.#cursor[0] / width, this.#cursor[1] / height]);
  }

  #at({ clientX, clientY }) {
    const { left, top, width, height } = this.#canvas.getBoundingClientRect();
    return [((clientX - left) / width) * this.#canvas.width, ((clientY - top) / height) * this.#canvas.height];
  }

  #point(cursor) {
    this.#cursor = cursor ?? (this.#drawing ? this.#cursor : null);
    this.#draw();
  }

  #layer() {
    const canvas = Object.assign(document.createElement("canvas"), { width: this.#canvas.width, height: this.#canvas.height });
    return [canvas, canvas.getContext("2d")];
  }

  #drawStrokes(context, colour) {
    Object.assign(context, { fillStyle: colour, strokeStyle: colour, lineCap: "round", lineJoin: "round" });
    for (const { size, points } of this.#strokes) {
      const width = size * this.#canvas.width;
      context.beginPath();  // A line of zero length is not drawn, so each stroke starts with a disc.
      context.arc(...points[0], width / 2, 0, 2 * Math.PI);
      context.fill();
      context.lineWidth = width;
      context.beginPath();
      for (const point of points) context.lineTo(...point);
      context.stroke();
    }
  }

  #report(at) {
    this.#draw();
    const [canvas, context] = this.#layer();
    this.#drawStrokes(context, TINT);
    const { data } = context.getImageData(0, 0, canvas.width, canvas.height);
    let covered = 0;
    for (let index = 3; index < data.length; index += 4) covered += data[index] > 127;
    this.#changed((4 * covered) / data.length, at);
  }

  #draw() {
    if (!this.#picture) return;
    const context = this.#canvas.getContext("2d");
    context.clearRect(0, 0, this.#canvas.width, this.#canvas.height);
    context.drawImage(this.#picture, 0, 0);
    const [tinted, over] = this.#layer();
    this.#drawStrokes(over, TINT);
    context.globalAlpha = 0.55;
    context.drawImage(tinted, 0, 0);
    context.globalAlpha = 1;
    if (!this.#cursor || !this.#enabled) return;
    for (const [colour, width] of [["#000", 3], ["#fff", 1.5]]) {
      Object.assign(context, { strokeStyle: colour, lineWidth: width });
      context.beginPath();
      context.arc(...this.#cursor, (this.size * this.#canvas.width) / 2, 0, 2 * Math.PI);
      context.stroke();
    }
  }
}
