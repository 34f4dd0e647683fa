#pragma once

/// One prepared SQL statement. Used by one thread at a time.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.hpp"

struct sqlite3;
struct sqlite3_stmt;

namespace gantry::sqlite {

/// Made by Database::prepare, which it must not outlive. A bind that fails (an index that the statement has not, no
/// memory) is told of by the next step() or run(), so that binds can be chained.
class Statement {
  public:
    Statement(Statement&&) noexcept = default;
    Statement& operator=(Statement&&) noexcept = default;

    /// Parameters count from 1. Texts are copied and must be UTF-8.
    Statement& bind(int index, int64_t value);
    Statement& bind(int index, double value);
    Statement& bind(int index, std::string_view text);
    Statement& bind_null(int index);

    /// Binds `values` to the parameters 1, 2, ...
    template <class... Values>
    Statement& bind_all(const Values&... values) {
        int index = 0;
        (bind(++index, values), ...);
        return *this;
    }

    /// Moves to the next row; false after the last one.
    Result<bool> step();
    /// For statements without rows: runs it and makes it ready for other values.
    Status run();
    /// Makes it ready to run once more; values stay bound.
    void reset();

    /// The current row's columns count from 0; converted as SQLite does (NULL is 0 and "").
    int64_t integer(int column) const;
    double number(int column) const;
    std::string text(int column) const;
    bool is_null(int column) const;

  private:
    friend class Database;
    struct Finalize {
        void operator()(sqlite3_stmt* statement) const;
    };
    Statement(sqlite3* database, sqlite3_stmt* statement) : database_(database), statement_(statement) {}
    void check_bind(int rc, int index);

    sqlite3* database_;
    std::unique_ptr<sqlite3_stmt, Finalize> statement_;
    Status bound_ = ok();
};

}  // namespace gantry::sqlite
