export { scaleBand, scaleLinear } from "d3-scale";
export { stack } from "d3-shape";
