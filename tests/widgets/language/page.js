// What a test's page has of the engine.
import { language } from "../../../mechbook/widgets/language/client.js";

globalThis.language = language;
