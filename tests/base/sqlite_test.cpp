#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "base/log.hpp"
#include "base/sqlite/database.hpp"

namespace gantry::sqlite {
namespace {

namespace fs = std::filesystem;

constexpr Migration kFirst[] = {{1, "CREATE TABLE pair(name TEXT PRIMARY KEY, value REAL)"}};
constexpr Migration kBoth[] = {kFirst[0], {2, "ALTER TABLE pair ADD COLUMN note TEXT; UPDATE pair SET note = 'old';"}};

class SqliteFile : public ::testing::Test {
  protected:
    SqliteFile() {
        log::setup(log::Level::kOff, log::Format::kText);
        std::string name = (fs::temp_directory_path() / "gantry-sqlite-XXXXXX").string();
        folder = ::mkdtemp(name.data());
        file = folder / "state.db";
    }
    ~SqliteFile() override { fs::remove_all(folder); }

    static int64_t count(const Database& database) {
        Statement query = database.prepare("SELECT count(*) FROM pair").value();
        EXPECT_TRUE(query.step().value());
        return query.integer(0);
    }

    fs::path folder, file;
};

TEST(Sqlite, BindsAndReadsEveryType) {
    const Database database = Database::in_memory().value();
    Statement query = database.prepare("SELECT ?, ?, ?, ?, ?").value();
    query.bind_all(int64_t{-5'000'000'000}, 0.5, std::string_view("a\0ß", 4), std::string_view()).bind_null(5);
    ASSERT_TRUE(query.step().value());
    EXPECT_EQ(query.integer(0), -5'000'000'000);
    EXPECT_EQ(query.number(1), 0.5);
    EXPECT_EQ(query.text(2), std::string("a\0ß", 4));
    EXPECT_EQ(query.text(3), "");
    EXPECT_FALSE(query.is_null(3)) << "an empty text is a text";
    EXPECT_TRUE(query.is_null(4));
    EXPECT_FALSE(query.step().value());
}

TEST(Sqlite, TellsKindsOfErrorsApart) {
    const Database database = Database::in_memory().value();
    ASSERT_TRUE(database.migrate("test", kFirst));
    EXPECT_EQ(database.prepare("SELEKT 1").error().code, Code::kInvalidArgument);
    Statement insert = database.prepare("INSERT INTO pair VALUES(?, ?)").value();
    EXPECT_TRUE(insert.bind_all(std::string_view("a"), 1.0).run());
    EXPECT_EQ(insert.run().error().code, Code::kAlreadyExists);
    const Status out_of_range = insert.bind(7, int64_t{1}).run();
    EXPECT_EQ(out_of_range.error().code, Code::kInvalidArgument);
    EXPECT_NE(out_of_range.error().message.find("parameter 7"), std::string::npos);
}

TEST(Sqlite, AStatementRunsAgainWithOtherValues) {
    const Database database = Database::in_memory().value();
    ASSERT_TRUE(database.migrate("test", kFirst));
    Statement insert = database.prepare("INSERT INTO pair VALUES(?, ?)").value();
    for (const char* name : {"a", "b", "c"}) {
        ASSERT_TRUE(insert.bind_all(std::string_view(name), 1.0).run());
        EXPECT_EQ(database.changes(), 1);
    }
    ASSERT_TRUE(database.execute("DELETE FROM pair WHERE name > 'a'"));
    EXPECT_EQ(database.changes(), 2);
}

TEST(Sqlite, ATransactionIsUndoneByAnError) {
    const Database database = Database::in_memory().value();
    ASSERT_TRUE(database.migrate("test", kFirst));
    const Status failed = database.transaction([&]() -> Status {
        GANTRY_CHECK_OK(database.execute("INSERT INTO pair VALUES('a', 1)"));
        return Error{Code::kCancelled, "changed my mind"};
    });
    EXPECT_EQ(failed.error().message, "changed my mind");
    const auto throwing = [&]() -> Status {
        (void)database.execute("INSERT INTO pair VALUES('a', 1)");
        throw std::runtime_error("oops");
    };
    EXPECT_THROW((void)database.transaction(throwing), std::runtime_error);
    ASSERT_TRUE(database.transaction([&] { return database.execute("INSERT INTO pair VALUES('a', 1)"); }));
}

TEST_F(SqliteFile, KeepsWhatWasWrittenAndBelongsToItsUserAlone) {
    {
        const Database database = Database::open(file).value();
        ASSERT_TRUE(database.migrate("test", kFirst));
        ASSERT_TRUE(database.execute("INSERT INTO pair VALUES('a', 1)"));
    }
    EXPECT_EQ(count(Database::open(file).value()), 1);
    struct stat about {};
    ASSERT_EQ(::stat(file.c_str(), &about), 0);
    EXPECT_EQ(about.st_mode & 0777U, 0600U);
}

TEST_F(SqliteFile, MigratesStepByStepAndRefusesTheFuture) {
    {
        const Database database = Database::open(file).value();
        ASSERT_TRUE(database.migrate("test", kFirst));
        ASSERT_TRUE(database.execute("INSERT INTO pair VALUES('a', 1)"));
    }
    const Database database = Database::open(file).value();
    ASSERT_TRUE(database.migrate("test", kBoth));
    ASSERT_TRUE(database.migrate("test", kBoth)) << "nothing is left to do";
    Statement query = database.prepare("SELECT note FROM pair").value();
    ASSERT_TRUE(query.step().value());
    EXPECT_EQ(query.text(0), "old");
    EXPECT_EQ(database.migrate("test", kFirst).error().code, Code::kFailedPrecondition);
}

TEST_F(SqliteFile, SchemasOfOneFileHaveHistoriesOfTheirOwn) {
    constexpr Migration other[] = {{1, "CREATE TABLE other(x)"}};
    const Database database = Database::open(file).value();
    ASSERT_TRUE(database.migrate("test", kBoth));
    ASSERT_TRUE(database.migrate("other", other));
    ASSERT_TRUE(database.execute("SELECT x FROM other"));
}

TEST_F(SqliteFile, AFailedMigrationLeavesNoTrace) {
    constexpr Migration broken[] = {kFirst[0], {2, "CREATE TABLE second(x); NONSENSE"}};
    const Database database = Database::open(file).value();
    const Status failed = database.migrate("test", broken);
    ASSERT_FALSE(failed);
    EXPECT_NE(failed.error().message.find("version 2 of 'test'"), std::string::npos) << failed.error().message;
    EXPECT_FALSE(database.execute("SELECT x FROM second"));
    EXPECT_TRUE(database.migrate("test", kBoth));
}

TEST_F(SqliteFile, SetsADamagedFileAsideAndBeginsAnew) {
    std::ofstream(file) << "this is no database, but it is long enough to be asked whether it is one";
    Database database = Database::open(file).value();
    EXPECT_EQ(database.set_aside(), file.string() + ".damaged-1");
    EXPECT_TRUE(fs::exists(database.set_aside()));
    ASSERT_TRUE(database.migrate("test", kFirst));
    EXPECT_EQ(count(database), 0);
}

TEST_F(SqliteFile, NoticesDamageInTheMiddle) {
    {
        const Database database = Database::open(file).value();
        ASSERT_TRUE(database.migrate("test", kFirst));
        Statement insert = database.prepare("INSERT INTO pair VALUES(?, 1)").value();
        ASSERT_TRUE(database.transaction([&]() -> Status {
            for (int i = 0; i < 3000; ++i) {
                GANTRY_CHECK_OK(insert.bind(1, std::string_view("some name " + std::to_string(i))).run());
            }
            return ok();
        }));
    }
    const auto size = fs::file_size(file);
    std::fstream(file, std::ios::in | std::ios::out | std::ios::binary)
        .seekp(static_cast<std::streamoff>(size / 2))
        .write(std::string(20'000, '\xa5').data(), 20'000);
    EXPECT_FALSE(Database::open(file).value().set_aside().empty());
}

TEST_F(SqliteFile, SaysWhatCannotBeOpened) {
    const auto opened = Database::open(folder / "none" / "state.db");
    EXPECT_EQ(opened.error().code, Code::kPermissionDenied);
    EXPECT_NE(opened.error().message.find("none/state.db"), std::string::npos);
}

TEST_F(SqliteFile, WhatWasCommittedSurvivesAKill) {
    const pid_t child = ::fork();
    if (child == 0) {
        const Database database = Database::open(file).value();
        (void)database.migrate("test", kFirst);
        (void)database.execute("INSERT INTO pair VALUES('kept', 1)");
        (void)database.execute("BEGIN; INSERT INTO pair VALUES('lost', 1)");
        ::_exit(0);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_EQ(count(Database::open(file).value()), 1);
}

TEST_F(SqliteFile, TwoProcessesMayUseOneFile) {
    const Database first = Database::open(file).value();
    ASSERT_TRUE(first.migrate("test", kFirst));
    const Database second = Database::open(file).value();
    ASSERT_TRUE(first.execute("INSERT INTO pair VALUES('a', 1)"));
    ASSERT_TRUE(second.execute("INSERT INTO pair VALUES('b', 1)"));
    EXPECT_EQ(count(first), 2);
}

}  // namespace
}  // namespace gantry::sqlite
