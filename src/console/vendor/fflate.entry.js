export { strToU8, Zip, ZipDeflate } from "fflate";
