//! The freezer files of both hierarchies and the trees they form.
