// A picture that was deleted leaves the history too.
import { $ } from "./page.js";
import { forget } from "./store.js";

forget([$("deleted").dataset.id]);
