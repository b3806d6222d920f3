// A face for each emotion, in lines: it tells emotions apart without a colour.

const EYES = "M9 10v.01M15 10v.01";
const FROWN = "M8.5 16.7c.9-1.4 2.1-2 3.5-2s2.6.6 3.5 2";

const FACES = {
  anger: `M6.8 8.2l3.6 2M17.2 8.2l-3.6 2M9 11.8v.01M15 11.8v.01${FROWN}`,
  calm: "M7.6 10c.8.9 2 .9 2.8 0M13.6 10c.8.9 2 .9 2.8 0M9 15c1.8 1.2 4.2 1.2 6 0",
  disgust: "M7.5 9.2l2.6 1.3-2.6 1.1M16.5 9.2l-2.6 1.3 2.6 1.1M7.8 16.6c1.3-2 2.7-2 4.2-.9s2.9 1 4.2-.9",
  fear: "M9 8.5a1.5 1.5 0 1 1 0 3a1.5 1.5 0 1 1 0-3M15 8.5a1.5 1.5 0 1 1 0 3a1.5 1.5 0 1 1 0-3"
    + "M7.5 16.5l1.5-1.7 1.5 1.7 1.5-1.7 1.5 1.7 1.5-1.7 1.5 1.7",
  happy: `${EYES}M7.5 13.8c1 2.1 2.6 3.2 4.5 3.2s3.5-1.1 4.5-3.2`,
  neutral: `${EYES}M8.5 15.5h7`,
  sad: `M6.8 9.4l3-1.7M17.2 9.4l-3-1.7M9 11.5v.01M15 11.5v.01M16.8 13.5v1.6${FROWN}`,
  surprise: `${EYES}M12 13.5a1.8 1.8 0 1 1 0 3.6a1.8 1.8 0 1 1 0-3.6`,
};

const NAMESPACE = "http://www.w3.org/2000/svg";

/** The drawing for an emotion; a face without a mouth for one that has none. */
export function sign(emotion) {
  const drawing = document.createElementNS(NAMESPACE, "svg");
  drawing.setAttribute("viewBox", "0 0 24 24");
  drawing.setAttribute("aria-hidden", "true");
  drawing.dataset.emotion = emotion;
  const lines = document.createElementNS(NAMESPACE, "path");
  lines.setAttribute("d", `M12 2a10 10 0 1 1 0 20a10 10 0 1 1 0-20${FACES[emotion] ?? EYES}`);
  drawing.append(lines);
  return drawing;
}
