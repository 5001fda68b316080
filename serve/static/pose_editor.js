// Edit the figure's pose, if the model supports one: 18 joints in OpenPose's order, for pointer, touch and keyboard.
import { input, showShare, slider } from "./controls.js";
import { can, onModelChange } from "./models.js";
import { listIn } from "./storage.js";

const $ = (id) => document.getElementById(id);
const SVG = "http://www.w3.org/2000/svg";
const [WIDE, HIGH] = [300, 400];
const NEAR = 40;  // the distance within which a joint is picked, in the drawing's units
const JOINTS = [
  "nose", "neck", "right shoulder", "right elbow", "right wrist", "left shoulder", "left elbow", "left wrist", "right hip",
  "right knee", "right ankle", "left hip", "left knee", "left ankle", "right eye", "left eye", "right ear", "left ear",
];
const LIMBS = [[1, 2], [1, 5], [2, 3], [3, 4], [5, 6], [6, 7], [1, 8], [8, 9], [9, 10], [1, 11], [11, 12], [12, 13], [1, 0], [0, 14], [14, 16], [0, 15], [15, 17]];
// The figure faces the viewer, so its right is on the left.
const STANDING = [
  [0.5, 0.14], [0.5, 0.25], [0.39, 0.26], [0.35, 0.4], [0.33, 0.53], [0.61, 0.26], [0.65, 0.4], [0.67, 0.53], [0.43, 0.53],
  [0.42, 0.71], [0.41, 0.89], [0.57, 0.53], [0.58, 0.71], [0.59, 0.89], [0.475, 0.12], [0.525, 0.12], [0.445, 0.135], [0.555, 0.135],
];
const POSES = {
  standing: {},
  waving: { 6: [0.74, 0.22], 7: [0.78, 0.09] },
  "arms wide": { 3: [0.25, 0.27], 4: [0.11, 0.27], 6: [0.75, 0.27], 7: [0.89, 0.27] },
  walking: { 3: [0.33, 0.38], 4: [0.4, 0.5], 6: [0.68, 0.39], 7: [0.74, 0.5], 9: [0.36, 0.7], 10: [0.26, 0.87], 12: [0.64, 0.69], 13: [0.68, 0.88] },
  kneeling: { 9: [0.36, 0.72], 10: [0.36, 0.9], 12: [0.62, 0.82], 13: [0.78, 0.88] },
};
let joints = [];  // [x, y, seen], in fractions of the picture
let chosen = 0;

const whole = (name) => STANDING.map((place, index) => [...(POSES[name][index] ?? place), 1]);

export function build() {
  const kept = input({ type: "hidden", id: "pose-keypoints" });
  $("pose-panel").append(slider("Strength", { id: "pose-scale", min: 0, max: 1, step: 0.05, value: 1 }, "How closely the pose is followed"), kept);
  $("pose-start").append(...Object.keys(POSES).map((name) => new Option(name)));
  $("pose-start").addEventListener("input", () => write(whole($("pose-start").value)));
  $("pose").addEventListener("input", update);
  $("pose-hide").addEventListener("click", () => toggle(chosen));
  $("pose-figure").addEventListener("pointerdown", drag);
  $("pose-figure").addEventListener("keydown", key);
  $("pose-figure").addEventListener("focusin", ({ target }) => choose(Number(target.dataset.joint)));
  $("pose-figure").append(...LIMBS.map(() => element("line")), ...JOINTS.map(jointOf));
  onModelChange(update);
}

// Returns a request's pose fields, if the model supports poses and one is set.
export function poseFields() {
  if (!can("character", "pose") || !$("pose").checked) return {};
  const scale = Number($("pose-scale").value);
  return { pose: { keypoints: read() }, ...(scale !== 1 && { pose_scale: scale }) };
}

export function setPose({ pose, pose_scale: scale = 1 }) {
  $("pose").checked = Boolean(pose?.keypoints);
  $("pose-scale").value = scale;
  $("pose-keypoints").value = pose?.keypoints ? JSON.stringify(pose.keypoints) : "";
  update();
}

function read() {
  const kept = listIn($("pose-keypoints"));
  return kept.length === JOINTS.length && kept.flat().every(Number.isFinite) ? kept : whole("standing");
}

function write(all) {
  joints = all;
  $("pose-keypoints").value = JSON.stringify(all);
  $("pose-keypoints").dispatchEvent(new Event("change", { bubbles: true }));
  draw();
}

function update() {
  $("pose-guide").hidden = !can("character", "pose");
  $("pose-panel").hidden = !$("pose").checked;
  showShare($("pose-scale"));
  joints = read();
  draw();
}

const element = (name) => document.createElementNS(SVG, name);

function jointOf(name, index) {
  const circle = element("circle");
  for (const [attribute, value] of Object.entries({ r: index < 14 ? 8 : 5, tabindex: 0, role: "button", "data-joint": index })) circle.setAttribute(attribute, value);
  return circle;
}

function draw() {
  const [lines, circles] = ["line", "circle"].map((name) => [...$("pose-figure").querySelectorAll(name)]);
  LIMBS.forEach(([from, to], index) => {
    const [[x1, y1, seen], [x2, y2, other]] = [joints[from], joints[to]];
    for (const [name, value] of Object.entries({ x1: x1 * WIDE, y1: y1 * HIGH, x2: x2 * WIDE, y2: y2 * HIGH })) lines[index].setAttribute(name, value);
    lines[index].classList.toggle("unseen-joint", !seen || !other);
  });
  joints.forEach(([x, y, seen], index) => {
    circles[index].setAttribute("cx", x * WIDE);
    circles[index].setAttribute("cy", y * HIGH);
    circles[index].classList.toggle("unseen-joint", !seen);
    circles[index].setAttribute("aria-label", `${JOINTS[index]}${seen ? "" : ", hidden"}: ${Math.round(100 * x)}% across, ${Math.round(100 * y)}% down`);
  });
  choose(chosen);
}

function choose(index) {
  chosen = index;
  for (const circle of $("pose-figure").querySelectorAll("circle")) circle.classList.toggle("chosen", Number(circle.dataset.joint) === chosen);
  $("pose-hide").textContent = `${joints[chosen][2] ? "Hide" : "Show"} the ${JOINTS[chosen]}`;
}

const toggle = (index) => write(joints.map((joint, number) => (number === index ? [joint[0], joint[1], joint[2] ? 0 : 1] : joint)));

function move(index, x, y) {
  const within = (share) => Math.round(1000 * Math.min(Math.max(share, 0), 1)) / 1000;
  write(joints.map((joint, number) => (number === index ? [within(x), within(y), joint[2]] : joint)));
}

function key(event) {
  const index = Number(event.target.dataset.joint);
  const step = event.shiftKey ? 0.05 : 0.01;
  const [right, down] = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key] ?? [0, 0];
  if (right || down) move(index, joints[index][0] + right * step, joints[index][1] + down * step);
  else if (["Delete", "Backspace", " "].includes(event.key)) toggle(index);
  else return;
  event.preventDefault();
}

// The nearest joint follows the pointer.
function drag(event) {
  if (event.button) return;
  const figure = $("pose-figure");
  const place = ({ clientX, clientY }) => {
    const { left, top, width, height } = figure.getBoundingClientRect();
    return [(clientX - left) / width, (clientY - top) / height];
  };
  const [x, y] = place(event);
  const distances = joints.map((joint) => Math.hypot((joint[0] - x) * WIDE, (joint[1] - y) * HIGH));
  const index = distances.indexOf(Math.min(...distances));
  if (distances[index] > NEAR) return;
  event.preventDefault();
  figure.querySelector(`[data-joint="${index}"]`).focus({ preventScroll: true });
  figure.setPointerCapture(event.pointerId);
  const follow = (moved) => move(index, ...place(moved));
  const end = () => {
    for (const [name, listener] of [["pointermove", follow], ["pointerup", end], ["pointercancel", end]]) figure.removeEventListener(name, listener);
  };
  for (const [name, listener] of [["pointermove", follow], ["pointerup", end], ["pointercancel", end]]) figure.addEventListener(name, listener);
}
